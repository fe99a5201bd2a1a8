/** A model's Markdown: no raw HTML, no images, links only to web and mail, nothing fetched. */
import { memo } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import rehypeSanitize, { defaultSchema } from "rehype-sanitize";
import remarkGfm from "remark-gfm";

const SAFE = {
  ...defaultSchema,
  tagNames: defaultSchema.tagNames?.filter((name) => !["img", "picture", "source", "input"].includes(name)),
  protocols: { ...defaultSchema.protocols, href: ["http", "https", "mailto"] },
};
const PARTS: Components = {
  img: ({ alt }) => <>{alt}</>,
  a: ({ href, children }) => (href && !href.startsWith("#") ? <a href={href} target="_blank" rel="noopener noreferrer nofollow">{children}</a> : <>{children}</>),
};

export const Markdown = memo(({ text, writing = false }: { text: string; writing?: boolean }) => (
  <div className={`prose ${writing ? "writing" : ""}`} dir="auto">
    <ReactMarkdown remarkPlugins={[remarkGfm]} rehypePlugins={[[rehypeSanitize, SAFE]]} components={PARTS}>
      {text}
    </ReactMarkdown>
  </div>
));
