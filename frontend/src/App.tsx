/** The frame: places on the left (below, on a phone), the place itself, a footer that says where the words go. */
import { lazy, Suspense, useEffect, type ComponentType } from "react";
import { api, got, type Schemas } from "./api/client";
import { go, useRoute } from "./lib/route";
import { useSettings, showTheme } from "./lib/settings";
import { useLoaded } from "./lib/use";
import { Write } from "./places/Write";
import { Icon } from "./ui/basic";

const lazily = <T extends string>(load: () => Promise<Record<T, ComponentType>>, name: T) => lazy(async () => ({ default: (await load())[name] }));
const PLACES: [path: string, icon: string, name: string, Place: ComponentType][] = [
  ["/", "write", "Write", Write],
  ["/compare", "compare", "Compare", lazily(() => import("./places/Compare"), "Compare")],
  ["/draft", "draft", "Draft", lazily(() => import("./places/Draft"), "Draft")],
  ["/rewrite", "rewrite", "Rewrite", lazily(() => import("./places/Rewrite"), "Rewrite")],
  ["/blind", "blind", "Blind test", lazily(() => import("./places/Blind"), "Blind")],
  ["/twin", "twin", "Twin", lazily(() => import("./places/Twin"), "Twin")],
  ["/history", "history", "History", lazily(() => import("./places/History"), "History")],
  ["/settings", "settings", "Settings", lazily(() => import("./places/Settings"), "SettingsPlace")],
];

export function App() {
  const path = useRoute();
  const [{ theme }] = useSettings();
  useEffect(() => showTheme(theme), [theme]);
  useEffect(keys, []);
  const [, , name, Place] = PLACES.find(([p]) => p !== "/" && path.startsWith(p)) ?? PLACES[0];
  useEffect(() => void (document.title = name === "Write" ? "blogtwin" : `${name} · blogtwin`), [name]);
  return (
    <div className="flex h-full flex-col-reverse md:flex-row">
      <a href="#place" className="sr-only focus:not-sr-only focus:absolute focus:z-10 focus:bg-card focus:p-2">Skip to the page</a>
      <Nav current={name} />
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">
        <main id="place" tabIndex={-1} className="min-h-0 flex-1 outline-none">
          <Suspense fallback={null}><Place /></Suspense>
        </main>
        <Footer />
      </div>
    </div>
  );
}

function Nav({ current }: { current: string }) {
  return (
    <nav aria-label="Places" className="flex shrink-0 border-t border-line px-1 py-1 md:w-44 md:gap-0.5 md:flex-col md:overflow-visible md:border-t-0 md:border-r md:px-3 md:py-6">
      <p className="mb-4 hidden px-2 font-serif text-xl md:block">blogtwin</p>
      {PLACES.map(([path, icon, name]) => (
        <a key={path} href={path} aria-current={current === name ? "page" : undefined}
          onClick={(e) => { if (!e.metaKey && !e.ctrlKey && !e.shiftKey && !e.button) (e.preventDefault(), go(path)); }}
          className={`flex min-w-0 flex-1 flex-col items-center gap-0.5 rounded-lg py-1.5 text-[0.66rem] whitespace-nowrap md:flex-none md:flex-row md:gap-2.5 md:px-2 md:text-sm ${current === name ? "bg-wash text-ink" : "text-muted hover:bg-soft hover:text-ink"}`}>
          <Icon name={icon} /><span>{name.split(" ")[0]}<span className="hidden md:inline">{name.slice(name.split(" ")[0].length)}</span></span>
        </a>
      ))}
    </nav>
  );
}

const ENGINES: Record<string, string> = { llamacpp: "the embedded model", ollama: "Ollama", openai: "your model server" };

/** The reason where the server tells it, to holders of a key; else its code. */
const notServed = (one?: Schemas["ModelFailure"]) => one && (one.reason ?? `The model is not served (${one.code}).`);

function Footer() {
  const { data, error, reload } = useLoaded(() => got(api.GET("/api/v1/health")));
  useEffect(() => {
    const timer = setInterval(reload, data?.ready ? 15_000 : 2000);
    return () => clearInterval(timer);
  }, [data?.ready, reload]);
  const text = error ? "The server does not answer. What you typed is kept." : !data ? " " : data.ready ? `Written by ${ENGINES[data.engine] ?? data.engine}${data.engine === "openai" ? "" : " on this machine"}.` : notServed(Object.values(data.failed)[0]) ?? "The model is loading.";
  return <footer className={`px-4 py-1.5 text-center text-xs ${error ? "text-bad" : "text-muted"}`}>{text}{!error && data?.ready && data.engine !== "openai" && <span className="hidden sm:inline"> Nothing you type leaves it.</span>}</footer>;
}

/** `/` goes to the place's first text field. */
function keys() {
  const pressed = (e: KeyboardEvent) => {
    if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey || (e.target as HTMLElement).closest("input,textarea,select")) return;
    const field = document.querySelector<HTMLElement>("main textarea, main input[type=search], main input[type=text]");
    if (field) (e.preventDefault(), field.focus());
  };
  addEventListener("keydown", pressed);
  return () => removeEventListener("keydown", pressed);
}
