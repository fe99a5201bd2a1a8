/** Home: a greeting, a box, and the conversation that comes of it. */
import { useEffect, useMemo, useRef, useState } from "react";
import { api, got } from "../api/client";
import { type Attached, fold, unfold } from "../lib/attach";
import { grouped, useChat } from "../lib/chat";
import { go, useRoute } from "../lib/route";
import { decoding } from "../lib/saved";
import { useSettings } from "../lib/settings";
import { useStored } from "../lib/stored";
import { useLoaded, useModels, useStick } from "../lib/use";
import { Button, ErrorLine, Icon, ModelSelect, Status, Strength } from "../ui/basic";
import { Exchange } from "../ui/Exchange";
import { PromptBox } from "../ui/PromptBox";
import { Suggestions } from "../ui/Suggestions";

const NOBODY = { author: "", tags: [], titles: [] };
/** Where the next message goes on, in a new conversation: after the first `kept` exchanges. `before`: what was in the box. */
type Branch = { kept: number; before: { text: string; files: Attached[] } };

export function Write() {
  const session = useRoute().match(/^\/chat\/([\w-]+)/)?.[1] ?? null;
  const { turns, send, busy, error, stop } = useChat(session);
  const { models, ready, reload } = useModels();
  const { data: topics = NOBODY } = useLoaded(() => got(api.GET("/api/topics")));
  const [settings, change] = useSettings();
  const draft = session ? `draft:${session}` : "draft"; // each conversation has its own
  const [text, setText] = useStored(draft, "");
  const [files, setFiles] = useStored<Attached[]>(`${draft}:files`, []);
  const [asked, setAsked] = useState("");
  const [branch, setBranch] = useState<Branch>();
  const box = useRef<HTMLTextAreaElement>(null);
  const scroll = useStick(turns);
  const groups = useMemo(() => grouped(turns), [turns]);
  const model = ready.find((m) => m.name === settings.model) ?? ready.find((m) => m.kind === "twin") ?? ready[0];
  useEffect(() => { if (error) void reload(); }, [error, reload]);
  useEffect(() => setBranch(undefined), [session]);

  const ask = (message: string, from?: Branch) => {
    if (!message.trim() || busy) return;
    setAsked(message);
    scroll.toEnd();
    const how = { model: model?.name ?? settings.model, ...decoding(settings, model) };
    void send(message, how, () => {
      setText((now) => (message === fold(now, files) ? (from?.before.text ?? "") : now));
      setFiles(from?.before.files ?? []);
      setBranch(undefined);
    }, from && { turns: groups.slice(0, from.kept).reduce((sum, g) => sum + g.turns, 0), after: () => endOf(from.kept) });
  };
  // The server says which message ends the part that is kept: what is on the screen may have been stopped, and have no number yet.
  const endOf = async (kept: number) => {
    if (!session || !kept) return null;
    const found = await got(api.GET("/api/v1/chat/sessions/{session_id}", { params: { path: { session_id: session } } }));
    return grouped(found.messages)[kept - 1]?.last ?? null;
  };
  const branchAfter = (kept: number, words?: string) => {
    setBranch({ kept, before: branch?.before ?? { text, files } });
    if (words !== undefined) {
      const { message, files } = unfold(words);
      (setText(message), setFiles(files));
    }
    box.current?.focus();
  };
  const unbranch = () => {
    if (branch) (setText(branch.before.text), setFiles(branch.before.files));
    setBranch(undefined);
  };
  const prompt = (
    <PromptBox box={box} focus text={text} onText={setText} files={files} onFiles={setFiles} busy={busy} onSend={() => ask(fold(text, files), branch)} onStop={stop} label={turns.length ? "Go on…" : "What would you like to write?"}>
      <ModelSelect models={ready} value={model?.name ?? ""} onChange={(name) => change({ model: name })} />
      <Strength model={model} value={settings.strength} onChange={(strength) => change({ strength })} />
    </PromptBox>
  );
  if (!turns.length && !session)
    return (
      <div className="flex h-full flex-col overflow-y-auto px-4">
        <div className="m-auto flex w-full max-w-2xl flex-col gap-6 py-8">
          <h1 className="text-center font-serif text-3xl sm:text-4xl">{greeting(settings.name || topics.author.split(" ")[0])}</h1>
          <ErrorLine error={error} retry={() => ask(asked)} />
          {prompt}
          <Suggestions topics={topics} onPick={(t) => (setText(t), box.current?.focus())} />
          {models.length > 0 && !ready.length && <p className="text-center text-sm text-muted">The model is loading; you can begin to type.</p>}
        </div>
      </div>
    );
  const shown = branch && !busy ? groups.slice(0, branch.kept) : groups;
  return (
    <div className="relative flex h-full flex-col">
      <h1 className="sr-only">Conversation</h1>
      <Button kind="quiet" className="absolute top-3 right-3 z-10 bg-paper" onClick={() => go("/")}><Icon name="plus" /> New</Button>
      <div ref={scroll.box} onScroll={scroll.onScroll} tabIndex={0} role="region" aria-label="Conversation" className="min-h-0 flex-1 overflow-y-auto px-4 [overflow-anchor:none]">
        <div className="mx-auto flex max-w-2xl flex-col gap-8 pt-14 pb-6">
          {shown.map((g, n) => <Exchange key={n} {...g} busy={busy && n === groups.length - 1} idle={!busy} last={n === groups.length - 1} onRetry={() => ask(g.question)} onEdit={() => branchAfter(n, g.question)} onBranch={() => branchAfter(n + 1)} />)}
          {branch && !busy && <p role="status" className="flex flex-wrap items-center gap-x-2 border-t border-line pt-3 text-sm text-muted">Your next message begins a branch here. This conversation stays in History as it is.<Button kind="quiet" onClick={unbranch}>Go back</Button></p>}
          <ErrorLine error={error} retry={() => (asked ? ask(asked, branch) : location.reload())} />
        </div>
      </div>
      <div className="px-4 pb-1"><div className="relative mx-auto max-w-2xl">
        {!scroll.stuck && <Button className="absolute -top-12 left-1/2 -translate-x-1/2 rounded-full shadow" aria-label="To the newest" onClick={scroll.toEnd}><Icon name="down" /></Button>}
        {prompt}
      </div></div>
      <Status>{busy ? "Writing…" : turns.length ? "Done." : ""}</Status>
    </div>
  );
}

function greeting(name: string) {
  const hour = new Date().getHours();
  const said = hour < 5 ? "Still up" : hour < 12 ? "Good morning" : hour < 18 ? "Good afternoon" : "Good evening";
  return name ? `${said}, ${name}.` : `${said}.`;
}
