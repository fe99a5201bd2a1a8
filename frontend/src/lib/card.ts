/** The score as a picture to share: drawn here, sent nowhere. */
import { download } from "./use";

export async function drawCard(lines: string[]) {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1200, height: 630 });
  const pen = canvas.getContext("2d")!;
  pen.fillStyle = "#fbfaf7";
  pen.fillRect(0, 0, 1200, 630);
  pen.fillStyle = "#2f6b4f";
  pen.font = "44px Newsreader, Georgia, serif";
  pen.fillText("Can you tell who wrote it?", 80, 120);
  pen.fillStyle = "#24221e";
  pen.font = "32px Newsreader, Georgia, serif";
  let y = 220;
  for (const line of lines) {
    for (const part of wrapped(pen, line, 1040)) (pen.fillText(part, 80, y), (y += 46));
    y += 24;
  }
  pen.fillStyle = "#67635a";
  pen.font = "26px Newsreader, Georgia, serif";
  pen.fillText("blogtwin · blind test", 80, 570);
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done));
  if (blob) download(blob, "blind-test.png");
}

function wrapped(pen: CanvasRenderingContext2D, text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (pen.measureText(longer).width > width) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}
