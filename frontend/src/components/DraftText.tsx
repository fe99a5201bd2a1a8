/** A draft from notes: each sentence is a button with a mark, and opens what can be done with it. */
import { CircleQuestionMark, PenLine, TriangleAlert } from "lucide-react";
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from "react";
import type { NoteLine, Sentence, Status } from "../lib/verifiedDraft";
import { Button } from "./Button";
import { FIELD_CLASS } from "./Field";
import { Markdown } from "./Markdown";

/** `mark`: its underline; the icon says the same to those who don't see colours, and `meaning` to those who listen. */
const MARKS: Record<Status, { meaning: string; icon?: typeof PenLine; mark: string }> = {
  supported: { meaning: "From your notes", mark: "decoration-line" },
  unsupported: {
    meaning: "Nothing in your notes says this",
    icon: CircleQuestionMark,
    mark: "bg-mark decoration-muted decoration-wavy",
  },
  contradicts: {
    meaning: "Contradicts your notes",
    icon: TriangleAlert,
    mark: "bg-gone decoration-bad decoration-double",
  },
  content: { meaning: "From your notes, in plain words", mark: "decoration-line decoration-dashed" },
  own_words: { meaning: "Your own words", icon: PenLine, mark: "text-muted decoration-muted decoration-dotted" },
  edited: {
    meaning: "Edited by you, not checked",
    icon: PenLine,
    mark: "text-muted decoration-muted decoration-dotted",
  },
  verbatim: { meaning: "As it stands in your notes", mark: "decoration-line" },
  heading: { meaning: "Your heading", mark: "decoration-transparent hover:decoration-line" },
};

export type SentenceActions = {
  onSwap: (id: number, index: number) => void;
  onEdit: (id: number, text: string) => void;
  onRemove: (id: number) => void;
};
type Props = SentenceActions & {
  paragraphs: Sentence[][];
  lines: NoteLine[];
  /** The draft is still coming: nothing can be changed yet. */
  writing: boolean;
  /** A sentence under the pointer or with the focus; null: none. */
  onPoint: (sentence: Sentence | null) => void;
};

export function DraftText({ paragraphs, lines, writing, onPoint, ...actions }: Props) {
  const [openId, setOpenId] = useState<number | null>(null);
  const [pointed, setPointed] = useState<Sentence | null>(null);
  const buttons = useRef(new Map<number, HTMLElement>());
  const point = (sentence: Sentence | null) => {
    setPointed(sentence);
    onPoint(sentence);
  };
  const close = (id: number) => {
    setOpenId(null);
    // After the sentence was changed: it is the same button.
    requestAnimationFrame(() => buttons.current.get(id)?.focus());
  };
  const notesOf = (sentence: Sentence) =>
    lines.filter((line) => sentence.lines.includes(line.number)).map((line) => line.text);
  const describe = (sentence: Sentence) =>
    [MARKS[sentence.status].meaning, ...notesOf(sentence).map((note) => `“${note}”`)].join(": ");

  const button = (sentence: Sentence, content: ReactNode) => {
    const { icon: Icon, mark } = MARKS[sentence.status];
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
        aria-description={describe(sentence)}
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
          <div key={sentences[0].id} className="relative">
            <ParagraphText sentences={sentences} button={button} />
            {hint && !open && (
              <p
                aria-hidden="true"
                className="pointer-events-none absolute inset-x-0 top-full z-10 mt-1 rounded-lg border border-line bg-card px-3 py-1.5 text-sm shadow-md [overflow-wrap:anywhere]"
              >
                <Meaning sentence={hint} notes={notesOf(hint)} />
              </p>
            )}
            {open && (
              <SentenceMenu
                key={open.id}
                sentence={open}
                notes={notesOf(open)}
                onClose={() => close(open.id)}
                {...actions}
              />
            )}
          </div>
        );
      })}
    </div>
  );
}

function Meaning({ sentence, notes }: { sentence: Sentence; notes: string[] }) {
  const { meaning, icon: Icon } = MARKS[sentence.status];
  return (
    <>
      {Icon && <Icon aria-hidden="true" className="me-1.5 inline size-3.5!" />}
      <span className="font-medium">{meaning}</span>
      {sentence.status !== "verbatim" && notes.map((note) => <span key={note}> · {note}</span>)}
    </>
  );
}

type TextProps = { sentences: Sentence[]; button: (sentence: Sentence, content: ReactNode) => ReactNode };

/** A heading, a part that is placed as it stands, or sentences. */
function ParagraphText({ sentences, button }: TextProps) {
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
        <p className="text-sm text-muted">{button(first, "as it stands in your notes")}</p>
      </>
    );
  }
  return (
    <p dir="auto" className="font-serif text-[1.16rem] leading-[1.75] [overflow-wrap:anywhere]">
      {sentences.map((sentence, n) => [n > 0 && " ", button(sentence, sentence.text)])}
    </p>
  );
}

type MenuProps = SentenceActions & { sentence: Sentence; notes: string[]; onClose: () => void };

/** Below its paragraph. Escape closes it. */
function SentenceMenu({ sentence, notes, onClose, onSwap, onEdit, onRemove }: MenuProps) {
  const [edited, setEdited] = useState<string | null>(null);
  const menu = useRef<HTMLDivElement>(null);
  const isEditing = edited !== null;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the keyboard goes to what has come
  useEffect(() => menu.current?.querySelector<HTMLElement>("textarea, button")?.focus(), [isEditing]);
  const act = (work: () => void) => {
    work();
    onClose();
  };
  const save = () => act(() => onEdit(sentence.id, edited ?? ""));
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.key === "Escape") {
      e.stopPropagation();
      onClose();
    }
    if (e.key === "Enter" && isEditing && (e.ctrlKey || e.metaKey)) save();
  };
  return (
    <div
      ref={menu}
      role="group"
      aria-label="This sentence"
      onKeyDown={onKeyDown}
      className="mt-2 flex flex-col gap-2 rounded-xl border border-line bg-card p-3 text-sm"
    >
      <p className="[overflow-wrap:anywhere]">
        <Meaning sentence={sentence} notes={notes} />
      </p>
      {isEditing ? (
        <>
          <textarea
            aria-label="Your wording"
            dir="auto"
            rows={3}
            maxLength={4000}
            className={`${FIELD_CLASS} font-serif text-lg`}
            value={edited}
            onChange={(e) => setEdited(e.target.value)}
          />
          <div className="flex flex-wrap gap-2">
            <Button variant="main" onClick={save}>
              Save
            </Button>
            <Button onClick={onClose}>Cancel</Button>
          </div>
        </>
      ) : (
        <>
          {sentence.alternatives.map((other, index) => (
            <button
              key={other.text}
              type="button"
              aria-label={`Use instead: ${other.text}`}
              onClick={() => act(() => onSwap(sentence.id, index))}
              className="rounded-lg border border-line px-3 py-2 text-start font-serif text-lg hover:bg-soft [overflow-wrap:anywhere]"
            >
              {other.text}
            </button>
          ))}
          <div className="flex flex-wrap gap-2">
            <Button onClick={() => setEdited(sentence.text.replace(sentence.status === "heading" ? /^#+\s*/ : "", ""))}>
              Edit
            </Button>
            <Button onClick={() => act(() => onRemove(sentence.id))}>Remove</Button>
            <Button variant="quiet" onClick={onClose}>
              Close
            </Button>
          </div>
        </>
      )}
    </div>
  );
}
