/** A model's Markdown: no raw HTML, no images, links only to web and mail, nothing fetched. */
import { memo } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import rehypeSanitize, { defaultSchema } from "rehype-sanitize";
import remarkGfm from "remark-gfm";
import { completeMarkdown } from "../lib/completeMarkdown";
import { type Highlight, rehypeHighlight } from "./rehypeHighlight";

const FORBIDDEN_TAGS = ["img", "picture", "source", "input"];
const SANITIZE_SCHEMA = {
  ...defaultSchema,
  tagNames: defaultSchema.tagNames?.filter((name) => !FORBIDDEN_TAGS.includes(name)),
  protocols: { ...defaultSchema.protocols, href: ["http", "https", "mailto"] },
};
const COMPONENTS: Components = {
  a: ({ href, children }) =>
    href && !href.startsWith("#") ? (
      <a href={href} target="_blank" rel="noopener noreferrer nofollow">
        {children}
      </a>
    ) : (
      children
    ),
};

type Props = {
  text: string;
  /** The text still grows. */
  writing?: boolean;
  /** Words that are also in a training post. */
  highlight?: Highlight;
};

export const Markdown = memo(({ text, writing = false, highlight }: Props) => (
  <div className={`prose ${writing ? "writing" : ""}`} dir="auto">
    <ReactMarkdown
      remarkPlugins={[remarkGfm]}
      rehypePlugins={[
        [rehypeSanitize, SANITIZE_SCHEMA],
        [rehypeHighlight, highlight],
      ]}
      components={COMPONENTS}
    >
      {writing ? completeMarkdown(text) : text}
    </ReactMarkdown>
  </div>
));
