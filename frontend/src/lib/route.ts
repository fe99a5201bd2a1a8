/** The address bar as state: one path, and `go` to another. */
import { useSyncExternalStore } from "react";

const listeners = new Set<() => void>();
const tell = () => listeners.forEach((f) => f());
addEventListener("popstate", tell);

export function go(path: string, replace = false) {
  if (path !== location.pathname) history[replace ? "replaceState" : "pushState"](null, "", path);
  tell();
}
export const useRoute = () => useSyncExternalStore((f) => (listeners.add(f), () => void listeners.delete(f)), () => location.pathname);
