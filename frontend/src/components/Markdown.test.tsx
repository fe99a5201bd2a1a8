import { render } from "@testing-library/react";
import { expect, test } from "vitest";
import { Markdown } from "./Markdown";

const html = (text: string) => render(<Markdown text={text} />).container;

test.each([
  "<script>window.hit = 1</script>",
  '<img src=x onerror="window.hit = 1">',
  "<svg onload=alert(1)><a href='javascript:alert(1)'>x</a></svg>",
  "<iframe src='https://bad.example'></iframe>",
  "[x](javascript:alert(1))",
  "[x](JaVaScRiPt:alert(1))",
  "[x](data:text/html;base64,PHNjcmlwdD4=)",
  "[x](vbscript:x)",
  "<javascript:alert(1)>",
  "![track](https://bad.example/p.png?q=secret)",
  "![x][r]\n\n[r]: https://bad.example/p.png",
  "| a |\n|---|\n| <style>@import 'https://bad.example'</style> |",
  "- [x] task <input autofocus onfocus=alert(1)>",
  "**broken [link](https://ok.example and `code",
  "<div style='background:url(https://bad.example)'>x</div>",
])("nothing is run or fetched: %s", (text) => {
  const page = html(text);
  expect(page.querySelectorAll("script,img,svg,iframe,style,object,embed,input,form,link,video,audio")).toHaveLength(0);
  for (const element of page.querySelectorAll("*"))
    for (const { name, value } of element.attributes) {
      expect(name).not.toMatch(/^on|^style$|^src/);
      if (name === "href") expect(value).toMatch(/^(https?:|mailto:)/);
    }
});
test("Markdown is rendered, and links get no reference to this page", () => {
  const page = html("# A\n\n- *b*\n\n[c](https://ok.example)\n\n| d |\n|---|\n| e |");
  expect(page.querySelector("h1")?.textContent).toBe("A");
  expect(page.querySelector("li em")?.textContent).toBe("b");
  expect(page.querySelector("a")?.rel).toContain("noopener");
  expect(page.querySelector("td")?.textContent).toBe("e");
});
test("a copied run is marked across punctuation, and says where it comes from", () => {
  const page = render(
    <Markdown
      text={"Then *he said*: It’s 9 past 3, Denzil, and a **half**."}
      highlight={{ words: "it's 9 past 3 denzil and a", from: "your post “Torch <10>”" }}
    />,
  ).container;
  expect(page.querySelector("mark")?.textContent).toBe("It’s 9 past 3, Denzil, and a");
  expect(page.querySelector("mark")?.title).toBe("Also in your post “Torch <10>”");
  expect(page.textContent).toBe("Then he said: It’s 9 past 3, Denzil, and a half.");
  expect(html("no run").querySelector("mark")).toBeNull();
});
test("half a link or half a bold word does not show its Markdown while it is written", () => {
  const page = render(<Markdown writing text="See **the [old list](https://ok.exa" />).container;
  expect(page.textContent).toBe("See the old list");
});
