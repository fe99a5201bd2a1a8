import { beforeEach, expect, test } from "vitest";
import { loadSettings, takeKeyFromAddress } from "./settings";

beforeEach(() => localStorage.clear());

test("the printed address brings the key, which does not stay in the address bar", () => {
  localStorage.setItem("blogtwin:settings", JSON.stringify({ name: "Wenna", key: "an older one" }));
  history.replaceState(null, "", "/draft?x=1#key=bt_a-b_c");
  takeKeyFromAddress();
  expect(loadSettings()).toMatchObject({ key: "bt_a-b_c", name: "Wenna" });
  expect(location.href).toMatch(/\/draft\?x=1$/);
});

test("an address without a key changes nothing", () => {
  localStorage.setItem("blogtwin:settings", JSON.stringify({ key: "mine" }));
  history.replaceState(null, "", "/#elsewhere");
  takeKeyFromAddress();
  expect(loadSettings().key).toBe("mine");
  expect(location.hash).toBe("#elsewhere");
});
