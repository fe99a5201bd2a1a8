/** Home: a greeting, a prompt box, and the conversation that follows. */
import { ArrowDown, Plus } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { api, unwrap } from "../api/client";
import { Button } from "../components/Button";
import { ChatTurn } from "../components/ChatTurn";
import { ErrorAlert } from "../components/ErrorAlert";
import { LengthSelect } from "../components/LengthSelect";
import { LiveStatus } from "../components/LiveStatus";
import { ModelSelect } from "../components/ModelSelect";
import { PromptBox } from "../components/PromptBox";
import { StrengthSlider } from "../components/StrengthSlider";
import { Suggestions } from "../components/Suggestions";
import { type Attachment, parseAttachments, serialiseAttachments } from "../lib/attachments";
import { groupTurns, useChat } from "../lib/chat";
import { useModels, useQuery, useStickToBottom } from "../lib/hooks";
import { withLength } from "../lib/length";
import { navigate, useRoute } from "../lib/router";
import { samplingParams } from "../lib/sampling";
import { useSettings } from "../lib/settings";
import { useLocalStorage } from "../lib/useLocalStorage";

const NO_TOPICS = { author: "", tags: [], titles: [] };
/** The next message starts a new conversation after the first `groups` questions. `draft` was in the box before. */
type Branch = { groups: number; draft: { text: string; files: Attachment[] } };

export function Write() {
  const session = useRoute().match(/^\/chat\/([\w-]+)/)?.[1] ?? null;
  const { turns, send, busy, error, stop } = useChat(session);
  const { models, ready, reload } = useModels();
  const { data: topics = NO_TOPICS } = useQuery(() => unwrap(api.GET("/api/topics")));
  const [settings, updateSettings] = useSettings();
  const draftName = session ? `draft:${session}` : "draft"; // each conversation has its own
  const [text, setText] = useLocalStorage(draftName, "");
  const [files, setFiles] = useLocalStorage<Attachment[]>(`${draftName}:files`, []);
  const [lastMessage, setLastMessage] = useState("");
  const [branch, setBranch] = useState<Branch>();
  const box = useRef<HTMLTextAreaElement>(null);
  const scroll = useStickToBottom(turns);
  const groups = useMemo(() => groupTurns(turns), [turns]);
  const model = ready.find((m) => m.name === settings.model) ?? ready.find((m) => m.kind === "twin") ?? ready[0];
  useEffect(() => {
    if (error) void reload();
  }, [error, reload]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a branch belongs to the conversation it was started in
  useEffect(() => setBranch(undefined), [session]);

  const toMessage = (typed: string) => serialiseAttachments(withLength(typed, settings.words), files);
  const sendMessage = (message: string, from?: Branch) => {
    if (!message.trim() || busy) return;
    setLastMessage(message);
    scroll.scrollToBottom();
    const sampling = { model: model?.name ?? settings.model, ...samplingParams(settings, model) };
    const onAccepted = () => {
      // What was typed meanwhile stays.
      setText((now) => (message === toMessage(now) ? (from?.draft.text ?? "") : now));
      setFiles(from?.draft.files ?? []);
      setBranch(undefined);
    };
    const branchPoint = from && {
      turns: groups.slice(0, from.groups).reduce((sum, group) => sum + group.turns, 0),
      findLastMessage: () => findLastMessage(session, from.groups),
    };
    void send(message, sampling, onAccepted, branchPoint);
  };
  const startBranch = (after: number, question?: string) => {
    setBranch({ groups: after, draft: branch?.draft ?? { text, files } });
    if (question !== undefined) {
      const { message, files } = parseAttachments(question);
      setText(message);
      setFiles(files);
    }
    box.current?.focus();
  };
  const cancelBranch = () => {
    if (branch) {
      setText(branch.draft.text);
      setFiles(branch.draft.files);
    }
    setBranch(undefined);
  };

  const promptBox = (
    <PromptBox
      box={box}
      text={text}
      onText={setText}
      files={files}
      onFiles={setFiles}
      busy={busy}
      onSend={() => sendMessage(toMessage(text), branch)}
      onStop={stop}
      label={turns.length ? "Reply…" : "What would you like to write?"}
    >
      <ModelSelect models={ready} value={model?.name ?? ""} onChange={(name) => updateSettings({ model: name })} />
      <LengthSelect value={settings.words} onChange={(words) => updateSettings({ words })} />
      <StrengthSlider model={model} value={settings.strength} onChange={(strength) => updateSettings({ strength })} />
    </PromptBox>
  );
  if (!turns.length && !session) {
    return (
      <div className="flex h-full flex-col overflow-y-auto px-4">
        <div className="m-auto flex w-full max-w-2xl flex-col gap-6 py-8">
          <h1 className="text-center font-serif text-3xl sm:text-4xl">
            {greeting(settings.name || topics.author.split(" ")[0])}
          </h1>
          <ErrorAlert error={error} retry={() => sendMessage(lastMessage)} />
          {promptBox}
          <Suggestions
            topics={topics}
            onPick={(prompt) => {
              setText(prompt);
              box.current?.focus();
            }}
          />
          {models.length > 0 && !ready.length && (
            <p className="text-center text-sm text-muted">The model is loading. You can start typing.</p>
          )}
        </div>
      </div>
    );
  }
  const isBranching = !!branch && !busy;
  const shown = isBranching ? groups.slice(0, branch.groups) : groups;
  const lastGroup = groups.length - 1;
  return (
    <div className="relative flex h-full flex-col">
      <h1 className="sr-only">Conversation</h1>
      <Button variant="quiet" className="absolute top-3 right-3 z-10 bg-paper" onClick={() => navigate("/")}>
        <Plus /> New
      </Button>
      <div
        ref={scroll.box}
        onScroll={scroll.onScroll}
        tabIndex={0}
        role="region"
        aria-label="Conversation"
        className="min-h-0 flex-1 overflow-y-auto px-4 [overflow-anchor:none]"
      >
        <div className="mx-auto flex max-w-2xl flex-col gap-8 pt-14 pb-6">
          {shown.map((group, n) => (
            <ChatTurn
              // biome-ignore lint/suspicious/noArrayIndexKey: questions are only added at the end, and have no id at first
              key={n}
              question={group.question}
              answers={group.answers}
              busy={busy && n === lastGroup}
              idle={!busy}
              last={n === lastGroup}
              onRetry={() => sendMessage(group.question)}
              onEdit={() => startBranch(n, group.question)}
              onBranch={() => startBranch(n + 1)}
            />
          ))}
          {isBranching && (
            <p
              role="status"
              className="flex flex-wrap items-center gap-x-2 border-t border-line pt-3 text-sm text-muted"
            >
              Your next message starts a new branch here. The original conversation stays in History.
              <Button variant="quiet" onClick={cancelBranch}>
                Cancel
              </Button>
            </p>
          )}
          <ErrorAlert
            error={error}
            retry={() => (lastMessage ? sendMessage(lastMessage, branch) : location.reload())}
          />
        </div>
      </div>
      <div className="px-4 pb-1">
        <div className="relative mx-auto max-w-2xl">
          {!scroll.stuck && (
            <Button
              className="absolute -top-12 left-1/2 -translate-x-1/2 rounded-full shadow"
              aria-label="Scroll to the end"
              onClick={scroll.scrollToBottom}
            >
              <ArrowDown />
            </Button>
          )}
          {promptBox}
        </div>
      </div>
      <LiveStatus>{statusText(busy, turns.length > 0)}</LiveStatus>
    </div>
  );
}

function statusText(busy: boolean, hasTurns: boolean): string {
  if (busy) return "Generating…";
  return hasTurns ? "Done." : "";
}

/** The id of the last message of the first `groups` questions: turns on the screen may have been stopped, and have none yet. */
async function findLastMessage(session: string | null, groups: number): Promise<number | null> {
  if (!session || !groups) return null;
  const path = { session_id: session };
  const chat = await unwrap(api.GET("/api/v1/chat/sessions/{session_id}", { params: { path } }));
  return groupTurns(chat.messages)[groups - 1]?.last ?? null;
}

function greeting(name: string): string {
  const words = greetingWords(new Date().getHours());
  return name ? `${words}, ${name}.` : `${words}.`;
}

function greetingWords(hour: number): string {
  if (hour < 5) return "Still up";
  if (hour < 12) return "Good morning";
  return hour < 18 ? "Good afternoon" : "Good evening";
}
