// @vitest-environment node
// (jsdom's File has no text())
import { afterEach, expect, test, vi } from "vitest";
import { api } from "../api/client";
import { parseAttachments, readAttachment, serialiseAttachments } from "./attachments";

afterEach(() => vi.restoreAllMocks());

test("files put into a message come out again", () => {
  const files = [
    { name: "a.md", text: "# A\n\nb" },
    { name: "b.txt", text: "" },
  ];
  const content = serialiseAttachments("Reply to this.", files);
  expect(parseAttachments(content)).toEqual({ message: "Reply to this.", files });
  expect(parseAttachments("plain")).toEqual({ message: "plain", files: [] });
});

test("a text file is read here, a .docx by the server, anything else by nobody", async () => {
  const post = vi.spyOn(api, "POST").mockResolvedValue({ data: { text: "## The pier" } } as never);
  expect(await readAttachment(new File(["A note."], "a.TXT"))).toEqual({ name: "a.TXT", text: "A note." });
  expect(post).not.toHaveBeenCalled();
  expect(await readAttachment(new File(["PK"], "b.docx"))).toEqual({ name: "b.docx", text: "## The pier" });
  const [path, options] = post.mock.calls[0] as unknown as [string, { body: FormData }];
  expect(path).toBe("/api/read");
  expect((options.body.get("file") as File).name).toBe("b.docx");
  await expect(readAttachment(new File(["%PDF"], "c.pdf"))).rejects.toMatchObject({
    message: "c.pdf is not a supported file.",
    hint: "Attach a .md, .txt or .docx file.",
  });
});

test("the server's reason for refusing a .docx reaches the user", async () => {
  const error = { code: "unreadable", message: "'b.docx' can't be read: it is encrypted.", hint: "Save it again." };
  vi.spyOn(api, "POST").mockResolvedValue({ error: { error } } as never);
  await expect(readAttachment(new File(["PK"], "b.docx"))).rejects.toMatchObject(error);
});
