/** The results of the blind test as an image to share. It is drawn here and sent nowhere. */
import { downloadBlob } from "./download";

const WIDTH = 1200;
const HEIGHT = 630;
const MARGIN = 80;
const LINE_HEIGHT = 46;

export async function shareImage(lines: string[]) {
  const canvas = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
  const context = canvas.getContext("2d");
  if (!context) return;
  const drawText = (text: string, y: number, size: number, colour: string) => {
    context.fillStyle = colour;
    context.font = `${size}px Newsreader, Georgia, serif`;
    context.fillText(text, MARGIN, y);
  };
  context.fillStyle = "#fbfaf7";
  context.fillRect(0, 0, WIDTH, HEIGHT);
  drawText("Can you tell who wrote it?", 120, 44, "#2f6b4f");
  let y = 220;
  context.font = "32px Newsreader, Georgia, serif"; // before wrapping, which measures with it
  for (const line of lines) {
    for (const part of wrapText(context, line, WIDTH - 2 * MARGIN)) {
      drawText(part, y, 32, "#24221e");
      y += LINE_HEIGHT;
    }
    y += LINE_HEIGHT / 2;
  }
  drawText("blogtwin · blind test", HEIGHT - 60, 26, "#67635a");
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve));
  if (blob) downloadBlob(blob, "blind-test.png");
}

function wrapText(context: CanvasRenderingContext2D, text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (context.measureText(longer).width > width) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}
