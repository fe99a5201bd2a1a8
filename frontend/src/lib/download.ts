/** Files that the browser saves or opens. */
import { api, unwrap } from "../api/client";

export function downloadBlob(blob: Blob, name: string) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Opens a document in a tab of its own. */
export function openBlob(blob: Blob) {
  const address = URL.createObjectURL(blob);
  window.open(address, "_blank", "noopener");
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

function fileName(title: string): string {
  const slug = title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
  return slug.slice(0, 60) || "post";
}

/** Saves a text as a post in one of the server's export formats. Throws ApiError. */
export async function exportPost(title: string, text: string, format: "md" | "html" | "docx") {
  const body = { title: title.trim() || "Untitled", text, format, tags: [] };
  const file = await unwrap(api.POST("/api/export", { body, parseAs: "blob" }));
  downloadBlob(file as unknown as Blob, `${fileName(title)}.${format}`);
}
