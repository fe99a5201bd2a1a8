/** A long post in the making: outline, sections with their earlier versions, kept in this browser. */
import { ask } from "../api/client";

export type Section = { id: number; heading: string; text: string; before: string[] };
export type Post = { title: string; notes: string; sections: Section[] };
export const NOTHING: Post = { title: "", notes: "", sections: [] };
const TAIL = 600; // characters of the section before that the next one is shown

let last = Date.now();
export const section = (heading: string): Section => ({ id: ++last, heading, text: "", before: [] });
export const titled = (post: Post) => post.title.trim() || post.notes.trim().split(/\s+/).join(" ").slice(0, 80);
export const whole = (post: Post) => post.sections.filter((s) => s.text).map((s) => `## ${s.heading}\n\n${s.text}`).join("\n\n");

/** Headings that the planner proposes. */
export async function outline(post: Post, signal: AbortSignal, seed?: number): Promise<string[]> {
  for await (const { name, data } of ask("/api/draft", { title: post.title, notes: post.notes, only_outline: true, ...(seed === undefined ? {} : { seed }) }, signal)) if (name === "outline") return data.outline;
  return [];
}

/** One section, written after the one before it; `show` gets the text so far. */
export async function writeSection(post: Post, at: number, how: object, signal: AbortSignal, show: (text: string) => void): Promise<string> {
  const before = post.sections[at - 1]?.text.slice(-TAIL);
  const asked = before ? { task: "continue" as const, input: `${before}\n\n## ${post.sections[at].heading}` } : { task: "write" as const, input: [post.notes, `## ${post.sections[at].heading}`].filter(Boolean).join("\n\n") };
  let text = "";
  for await (const { name, data } of ask("/api/generate", { prompt: titled(post), stream: true, ...asked, ...how }, signal)) {
    if (name === "delta") show((text += data.text));
    if (name === "written") text = data.text.trim();
  }
  return text;
}

export const move = <T,>(list: T[], from: number, to: number) => {
  const moved = [...list];
  moved.splice(to, 0, ...moved.splice(from, 1));
  return moved;
};
