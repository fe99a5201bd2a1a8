/** A model's Markdown: no raw HTML, no images, links only to web and mail, nothing fetched. */
import { memo } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import rehypeSanitize, { defaultSchema } from "rehype-sanitize";
import remarkGfm from "remark-gfm";
import { mend } from "../lib/mend";
import { type Run, rehypeRun } from "./run";

const SAFE = {
  ...defaultSchema,
  tagNames: defaultSchema.tagNames?.filter((name) => !["img", "picture", "source", "input"].includes(name)),
  protocols: { ...defaultSchema.protocols, href: ["http", "https", "mailto"] },
};
const PARTS: Components = {
  img: ({ alt }) => <>{alt}</>,
  a: ({ href, children }) => (href && !href.startsWith("#") ? <a href={href} target="_blank" rel="noopener noreferrer nofollow">{children}</a> : <>{children}</>),
};

/** `run`: words that stand so in a training post; they are marked, and say which. */
export const Markdown = memo(({ text, writing = false, run }: { text: string; writing?: boolean; run?: Run }) => (
  <div className={`prose ${writing ? "writing" : ""}`} dir="auto">
    <ReactMarkdown remarkPlugins={[remarkGfm]} rehypePlugins={[[rehypeSanitize, SAFE], [rehypeRun, run]]} components={PARTS}>
      {writing ? mend(text) : text}
    </ReactMarkdown>
  </div>
));
