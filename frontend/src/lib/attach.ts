/** Files as context of a message: read in the browser, never uploaded elsewhere. */
export type Attached = { name: string; text: string };
const MARK = "\n\n=== file: ";

export const fold = (message: string, files: Attached[]) => message + files.map((f) => `${MARK}${f.name} ===\n${f.text}`).join("");

export function unfold(content: string): { message: string; files: Attached[] } {
  const [message, ...files] = content.split(MARK);
  return { message, files: files.map((f) => ({ name: f.slice(0, f.indexOf(" ===\n")), text: f.slice(f.indexOf(" ===\n") + 5) })) };
}

export async function readFile(file: File): Promise<Attached> {
  if (/\.docx$/i.test(file.name)) return { name: file.name, text: await docx(await file.arrayBuffer()) };
  if (!/\.(md|markdown|txt)$/i.test(file.name)) throw new Error(`${file.name} can't be read: take a .md, .txt or .docx file.`);
  return { name: file.name, text: await file.text() };
}

/** The paragraphs of a .docx: word/document.xml out of the zip's table of contents. */
async function docx(buffer: ArrayBuffer): Promise<string> {
  const view = new DataView(buffer);
  let end = buffer.byteLength - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw new Error("This .docx can't be read: it is no zip file.");
  let at = view.getUint32(end + 16, true);
  for (let n = view.getUint16(end + 10, true); n > 0; n--) {
    const [size, named, extra, comment, start] = [view.getUint32(at + 20, true), view.getUint16(at + 28, true), view.getUint16(at + 30, true), view.getUint16(at + 32, true), view.getUint32(at + 42, true)];
    if (new TextDecoder().decode(new Uint8Array(buffer, at + 46, named)) === "word/document.xml") {
      const from = start + 30 + view.getUint16(start + 26, true) + view.getUint16(start + 28, true);
      const packed = new Blob([buffer.slice(from, from + size)]);
      const xml = view.getUint16(at + 10, true) ? await new Response(packed.stream().pipeThrough(new DecompressionStream("deflate-raw"))).text() : await packed.text();
      const paragraphs = [...new DOMParser().parseFromString(xml, "text/xml").getElementsByTagName("w:p")];
      return paragraphs.map((p) => [...p.getElementsByTagName("w:t")].map((t) => t.textContent).join("")).filter(Boolean).join("\n\n");
    }
    at += 46 + named + extra + comment;
  }
  throw new Error("This .docx has no text in it.");
}
