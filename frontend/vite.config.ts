import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// `make dev`: the page from here, the API from the real server beside it.
const server = process.env.SERVE_URL ?? "http://127.0.0.1:8000";
const proxied = { target: server, changeOrigin: true, headers: { origin: server } };

export default defineConfig({
  plugins: [react(), tailwindcss()],
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // What many pages share is one file: each file before the first paint is a request.
    rolldownOptions: {
      output: { codeSplitting: { groups: [{ name: "shared", test: /src\/(components|lib)\//, minShareCount: 3 }] } },
    },
  },
  server: { host: "127.0.0.1", proxy: { "/api": proxied, "/v1": proxied } },
});
