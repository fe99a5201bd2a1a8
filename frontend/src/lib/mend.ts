/** Markdown that is still being written, closed for the moment: no raw `[link](htt` or `**bo` that jumps when its end comes. */
export function mend(text: string): string {
  if ((text.match(/^ {0,3}(```|~~~)/gm)?.length ?? 0) % 2) return text; // inside a code block everything is text
  const start = text.lastIndexOf("\n\n") + 1;
  // A line of - or = under a paragraph would make it a heading until the line goes on.
  let end = text.slice(start).replace(/\n[ ]{0,3}(-+|=+|[*+]|\d+[.)]?)$/, "");
  end = end.replace(/!?\[([^\]\n]*)(\](\([^)\n]*)?)?$/, (whole, label: string, closed?: string) => (closed === "]" && /^[ xX]$/.test(label) ? whole : label));
  const plain = end.replace(/`[^`\n]*`/g, "");
  if (plain.split("`").length % 2 === 0) return text.slice(0, start) + (end.endsWith("`") ? end.slice(0, -1) : `${end}\``);
  for (const mark of ["**", "~~"]) if (plain.split(mark).length % 2 === 0) return text.slice(0, start) + closed(end, mark);
  if (plain.replaceAll("**", "").replace(/(^|\s)[*](?=\s)/g, "").split("*").length % 2 === 0) return text.slice(0, start) + closed(end, "*");
  return text.slice(0, start) + end;
}

const closed = (text: string, mark: string) => (text.endsWith(mark) ? text.slice(0, -mark.length) : /\s$/.test(text) ? text.trimEnd() + mark : text + mark);
