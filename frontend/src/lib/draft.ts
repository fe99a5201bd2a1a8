/** A post in the making: a draft from notes, or an outline and its sections with their earlier versions. */
import { postStream } from "../api/client";
import { draftToMarkdown, type VerifiedDraft } from "./verifiedDraft";

/** `before`: the texts that the section had before, the newest last. */
export type Section = { id: number; heading: string; text: string; before: string[] };
/** `draft`: from the notes, sentence by sentence; posts that were saved before there were any have none. */
export type Post = { title: string; notes: string; sections: Section[]; draft?: VerifiedDraft | null };
export const EMPTY_POST: Post = { title: "", notes: "", sections: [] };
/** Characters of a section that the model sees when it writes the next one. */
const CONTEXT_CHARACTERS = 600;

let lastId = Date.now();

export function createSection(heading: string): Section {
  lastId += 1;
  return { id: lastId, heading, text: "", before: [] };
}

/** The title, or the beginning of the notes. */
export const postTitle = (post: Post) => post.title.trim() || post.notes.trim().split(/\s+/).join(" ").slice(0, 80);

export const toMarkdown = (post: Post) =>
  post.draft ? draftToMarkdown(post.draft) : sectionsToMarkdown(post.sections);

const sectionsToMarkdown = (sections: Section[]) =>
  sections
    .filter((s) => s.text)
    .map((s) => `## ${s.heading}\n\n${s.text}`)
    .join("\n\n");

/** Headings that the planner proposes. Throws ApiError. */
export async function fetchOutline(post: Post, signal: AbortSignal, seed?: number): Promise<string[]> {
  const body = { title: post.title, notes: post.notes, only_outline: true, ...(seed === undefined ? {} : { seed }) };
  for await (const { name, data } of postStream("/api/draft", body, signal)) {
    if (name === "outline") return data.outline;
  }
  return [];
}

/** One section, written as the continuation of the one before it; `onText` gets the text so far. Throws ApiError. */
export async function writeSection(
  post: Post,
  index: number,
  sampling: object,
  signal: AbortSignal,
  onText: (text: string) => void,
): Promise<string> {
  const heading = `## ${post.sections[index].heading}`;
  const context = post.sections[index - 1]?.text.slice(-CONTEXT_CHARACTERS);
  const request = context
    ? { task: "continue" as const, input: `${context}\n\n${heading}` }
    : { task: "write" as const, input: [post.notes, heading].filter(Boolean).join("\n\n") };
  let text = "";
  const body = { prompt: postTitle(post), stream: true, ...request, ...sampling };
  for await (const { name, data } of postStream("/api/generate", body, signal)) {
    if (name === "delta") {
      text += data.text;
      onText(text);
    }
    if (name === "written") text = data.text.trim();
  }
  return text;
}

export function moveItem<T>(list: T[], from: number, to: number): T[] {
  const moved = [...list];
  moved.splice(to, 0, ...moved.splice(from, 1));
  return moved;
}
