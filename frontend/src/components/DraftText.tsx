/** A text whose sentences were checked: each is a button with a mark, and opens what can be done with it. */
import { type KeyboardEvent, type ReactNode, useRef, useState } from "react";
import type { NoteLine, Sentence } from "../lib/verifiedDraft";
import { Markdown } from "./Markdown";
import { OtherWordings } from "./OtherWordings";
import { describeSentence, markOf, SentenceMeaning, type Source } from "./SentenceMark";
import { type SentenceActions, SentenceMenu } from "./SentenceMenu";

type Props = {
  paragraphs: Sentence[][];
  lines: NoteLine[];
  /** The text is still coming: nothing can be changed yet. */
  writing: boolean;
  /** A sentence under the pointer or with the focus; null: none. */
  onPoint?: (sentence: Sentence | null) => void;
  /** None: the text can only be read. */
  actions?: SentenceActions;
  source?: Source;
};

export function DraftText({ paragraphs, lines, writing, onPoint, actions, source = "notes" }: Props) {
  const [openId, setOpenId] = useState<number | null>(null);
  const [pointed, setPointed] = useState<Sentence | null>(null);
  const buttons = useRef(new Map<number, HTMLElement>());
  const point = (sentence: Sentence | null) => {
    setPointed(sentence);
    onPoint?.(sentence);
  };
  const close = (id: number) => {
    const at = [...buttons.current.keys()].indexOf(id);
    setOpenId(null);
    // After the sentence was changed: it is the same button, or the one that stands in its place.
    requestAnimationFrame(() => {
      const now = [...buttons.current.values()];
      (buttons.current.get(id) ?? now[Math.min(at, now.length - 1)])?.focus();
    });
  };
  const notesOf = (sentence: Sentence) =>
    lines.filter((line) => sentence.lines.includes(line.number)).map((line) => line.text);

  const button = (sentence: Sentence, content: ReactNode) => {
    const { icon: Icon, mark } = markOf(sentence);
    const toggle = () => !writing && setOpenId(openId === sentence.id ? null : sentence.id);
    const onKeyDown = (e: KeyboardEvent) => {
      if (e.key !== "Enter" && e.key !== " ") return;
      e.preventDefault();
      toggle();
    };
    // No <button>: it is a box of its own, which text can't flow through from line to line.
    return (
      <span
        key={sentence.id}
        ref={(element) => {
          if (element) buttons.current.set(sentence.id, element);
          else buttons.current.delete(sentence.id);
        }}
        role="button"
        tabIndex={0}
        aria-expanded={openId === sentence.id}
        aria-disabled={writing}
        aria-description={describeSentence(sentence, notesOf(sentence), source)}
        data-status={sentence.status}
        onClick={toggle}
        onKeyDown={onKeyDown}
        onPointerEnter={() => point(sentence)}
        onPointerLeave={() => point(null)}
        onFocus={() => point(sentence)}
        onBlur={() => point(null)}
        className={`cursor-pointer rounded-sm underline decoration-1 underline-offset-4 hover:bg-soft ${mark} ${openId === sentence.id ? "bg-wash" : ""}`}
      >
        {content}
        {Icon && <Icon aria-hidden="true" className="ms-1 inline size-3.5! align-baseline text-muted" />}
      </span>
    );
  };
  return (
    <div className="flex flex-col gap-4">
      {paragraphs.map((sentences) => {
        const open = sentences.find((sentence) => sentence.id === openId);
        const hint = sentences.find((sentence) => sentence.id === pointed?.id);
        return (
          <div key={sentences[0].id}>
            <div className="relative">
              <ParagraphText sentences={sentences} source={source} button={button} />
              {hint && !open && (
                <p
                  aria-hidden="true"
                  className="pointer-events-none absolute inset-x-0 top-full z-10 mt-1 rounded-lg border border-line bg-card px-3 py-1.5 text-sm shadow-md [overflow-wrap:anywhere]"
                >
                  <SentenceMeaning sentence={hint} notes={notesOf(hint)} source={source} />
                </p>
              )}
            </div>
            {open && (
              <SentenceMenu
                key={open.id}
                sentence={open}
                notes={notesOf(open)}
                source={source}
                onClose={() => close(open.id)}
                actions={actions}
              />
            )}
            {actions && !open && !writing && (
              <OtherWordings sentences={sentences} disabled={actions.busy} onSwap={actions.onSwap} />
            )}
          </div>
        );
      })}
    </div>
  );
}

type TextProps = {
  sentences: Sentence[];
  source: Source;
  button: (sentence: Sentence, content: ReactNode) => ReactNode;
};

/** A heading, a part that is placed as it stands, or sentences. */
function ParagraphText({ sentences, source, button }: TextProps) {
  const [first] = sentences;
  if (first.status === "heading") {
    return (
      <h2 dir="auto" className="font-serif text-xl font-semibold">
        {button(first, first.text.replace(/^#+\s*/, ""))}
      </h2>
    );
  }
  if (first.status === "verbatim") {
    return (
      <>
        <Markdown text={first.text} />
        <p className="text-sm text-muted">{button(first, `as it stands in your ${source}`)}</p>
      </>
    );
  }
  return (
    <p dir="auto" className="font-serif text-[1.16rem] leading-[1.75] [overflow-wrap:anywhere]">
      {sentences.map((sentence, n) => [n > 0 && " ", button(sentence, sentence.text)])}
    </p>
  );
}
