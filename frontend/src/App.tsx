/** The frame: navigation (on a phone at the bottom), the page, and a footer that says where text is generated. */
import {
  ArrowLeftRight,
  Columns2,
  EyeOff,
  Feather,
  FileText,
  History as HistoryIcon,
  type LucideIcon,
  SlidersHorizontal,
  UsersRound,
} from "lucide-react";
import { type ComponentType, lazy, type MouseEvent, Suspense, useEffect } from "react";
import { api, unwrap } from "./api/client";
import { useQuery } from "./lib/hooks";
import { navigate, useRoute } from "./lib/router";
import { applyTheme, useSettings } from "./lib/settings";
import { Write } from "./pages/Write";

const Blind = lazy(async () => ({ default: (await import("./pages/Blind")).Blind }));
const Compare = lazy(async () => ({ default: (await import("./pages/Compare")).Compare }));
const Draft = lazy(async () => ({ default: (await import("./pages/Draft")).Draft }));
const History = lazy(async () => ({ default: (await import("./pages/History")).History }));
const Rewrite = lazy(async () => ({ default: (await import("./pages/Rewrite")).Rewrite }));
const Settings = lazy(async () => ({ default: (await import("./pages/Settings")).SettingsPage }));
const Twin = lazy(async () => ({ default: (await import("./pages/Twin")).Twin }));

type PageEntry = { path: string; name: string; Icon: LucideIcon; Content: ComponentType };

const PAGES: PageEntry[] = [
  { path: "/", name: "Write", Icon: Feather, Content: Write },
  { path: "/compare", name: "Compare", Icon: Columns2, Content: Compare },
  { path: "/draft", name: "Draft", Icon: FileText, Content: Draft },
  { path: "/rewrite", name: "Rewrite", Icon: ArrowLeftRight, Content: Rewrite },
  { path: "/blind", name: "Blind test", Icon: EyeOff, Content: Blind },
  { path: "/twin", name: "Twin", Icon: UsersRound, Content: Twin },
  { path: "/history", name: "History", Icon: HistoryIcon, Content: History },
  { path: "/settings", name: "Settings", Icon: SlidersHorizontal, Content: Settings },
];

export function App() {
  const path = useRoute();
  const [{ theme }] = useSettings();
  useEffect(() => applyTheme(theme), [theme]);
  useEffect(focusPromptOnSlash, []);
  const { name, Content } = PAGES.find((page) => page.path !== "/" && path.startsWith(page.path)) ?? PAGES[0];
  useEffect(() => {
    document.title = name === "Write" ? "blogtwin" : `${name} · blogtwin`;
  }, [name]);
  return (
    <div className="flex h-full flex-col-reverse md:flex-row">
      <a href="#main" className="sr-only focus:not-sr-only focus:absolute focus:z-10 focus:bg-card focus:p-2">
        Skip to main content
      </a>
      <Navigation current={name} />
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">
        <main id="main" tabIndex={-1} className="min-h-0 flex-1 outline-none">
          <Suspense fallback={null}>
            <Content />
          </Suspense>
        </main>
        <Footer />
      </div>
    </div>
  );
}

function Navigation({ current }: { current: string }) {
  return (
    <nav
      aria-label="Pages"
      className="flex shrink-0 border-t border-line px-1 py-1 md:w-44 md:gap-0.5 md:flex-col md:overflow-visible md:border-t-0 md:border-r md:px-3 md:py-6"
    >
      <p className="mb-4 hidden px-2 font-serif text-xl md:block">blogtwin</p>
      {PAGES.map((page) => (
        <NavigationLink key={page.path} page={page} isCurrent={current === page.name} />
      ))}
    </nav>
  );
}

function NavigationLink({ page: { path, name, Icon }, isCurrent }: { page: PageEntry; isCurrent: boolean }) {
  const [firstWord, ...rest] = name.split(" ");
  const onClick = (e: MouseEvent) => {
    if (e.metaKey || e.ctrlKey || e.shiftKey || e.button) return; // a new tab or window
    e.preventDefault();
    navigate(path);
  };
  return (
    <a
      href={path}
      aria-current={isCurrent ? "page" : undefined}
      onClick={onClick}
      className={`flex min-w-0 flex-1 flex-col items-center gap-0.5 rounded-lg py-1.5 text-[0.66rem] whitespace-nowrap md:flex-none md:flex-row md:gap-2.5 md:px-2 md:text-sm ${isCurrent ? "bg-wash text-ink" : "text-muted hover:bg-soft hover:text-ink"}`}
    >
      <Icon />
      <span>
        {firstWord}
        {rest.length > 0 && <span className="hidden md:inline"> {rest.join(" ")}</span>}
      </span>
    </a>
  );
}

const ENGINE_NAMES: Record<string, string> = {
  llamacpp: "llama.cpp",
  ollama: "Ollama",
  openai: "your model server",
};
const POLL_READY_MS = 15_000;
const POLL_LOADING_MS = 2000;

function Footer() {
  const { data: health, error, reload } = useQuery(() => unwrap(api.GET("/api/v1/health")));
  const isReady = health?.ready ?? false;
  useEffect(() => {
    const timer = setInterval(reload, isReady ? POLL_READY_MS : POLL_LOADING_MS);
    return () => clearInterval(timer);
  }, [isReady, reload]);

  let text = "\u00a0"; // a space that takes the height of a line
  let isLocal = false;
  if (error) text = "The server is not responding. Your text is saved.";
  else if (health?.ready) {
    isLocal = health.engine !== "openai";
    text = `Generated by ${ENGINE_NAMES[health.engine] ?? health.engine}${isLocal ? " on this machine" : ""}.`;
  } else if (health) {
    const hasFailed = Object.keys(health.failed).length > 0;
    text = hasFailed ? "A model could not be loaded. The reason is in Settings." : "The model is loading.";
  }
  return (
    <footer className={`px-4 py-1.5 text-center text-xs ${error ? "text-bad" : "text-muted"}`}>
      {text}
      {isLocal && <span className="hidden sm:inline"> Nothing you type leaves it.</span>}
    </footer>
  );
}

/** Makes `/` go to the page's first text field. */
function focusPromptOnSlash() {
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey) return;
    if ((e.target as HTMLElement).closest("input,textarea,select")) return;
    const field = document.querySelector<HTMLElement>("main textarea, main input[type=search], main input[type=text]");
    if (!field) return;
    e.preventDefault();
    field.focus();
  };
  addEventListener("keydown", onKeyDown);
  return () => removeEventListener("keydown", onKeyDown);
}
