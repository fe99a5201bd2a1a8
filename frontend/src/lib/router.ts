/** The path of the address bar as state, and `navigate` to another one. */
import { useSyncExternalStore } from "react";

const listeners = new Set<() => void>();

function notify() {
  for (const listener of listeners) listener();
}
addEventListener("popstate", notify);

export function navigate(path: string) {
  if (path !== location.pathname) history.pushState(null, "", path);
  notify();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

export const useRoute = () => useSyncExternalStore(subscribe, () => location.pathname);
