/** Files as context of a message. They travel inside its text, after the message itself. */
import { ApiError, api, unwrap } from "../api/client";

export type Attachment = { name: string; text: string };
const SEPARATOR = "\n\n=== file: ";
const HEADER_END = " ===\n";

export const serialiseAttachments = (message: string, files: Attachment[]) =>
  message + files.map((f) => `${SEPARATOR}${f.name}${HEADER_END}${f.text}`).join("");

export function parseAttachments(content: string): { message: string; files: Attachment[] } {
  const [message, ...parts] = content.split(SEPARATOR);
  const files = parts.map((part) => {
    const end = part.indexOf(HEADER_END);
    return { name: part.slice(0, end), text: part.slice(end + HEADER_END.length) };
  });
  return { message, files };
}

/** Text files are read here, a .docx by the server's own reader. Throws ApiError. */
export async function readAttachment(file: File): Promise<Attachment> {
  if (/\.docx$/i.test(file.name)) return { name: file.name, text: await readDocx(file) };
  if (/\.(md|markdown|txt)$/i.test(file.name)) return { name: file.name, text: await file.text() };
  throw new ApiError("unsupported_file", `${file.name} is not a supported file.`, "Attach a .md, .txt or .docx file.");
}

async function readDocx(file: File): Promise<string> {
  const form = new FormData();
  form.set("file", file);
  // The generated type of a binary field is `string`; the form is what is sent.
  const body = form as unknown as { file: string };
  const { text } = await unwrap(api.POST("/api/read", { body, bodySerializer: (form) => form as unknown as FormData }));
  return text;
}
