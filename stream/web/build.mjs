// Bundles the client into dist/, which is embedded into the server. The
// licences of what is bundled come with it.
import { build } from "esbuild";
import { readFileSync, writeFileSync } from "node:fs";

await build({
  entryPoints: ["src/app.js"], outfile: "dist/app.js", bundle: true, minify: true, format: "esm", target: ["es2022"], legalComments: "none", logLevel: "warning",
});
const novnc = "node_modules/@novnc/novnc/";
const { version } = JSON.parse(readFileSync(novnc + "package.json"));
writeFileSync("dist/licenses.txt", `app.js contains noVNC ${version} (npm: @novnc/novnc, source: https://github.com/novnc/noVNC), which brings pako.\n\n` +
  readFileSync(novnc + "LICENSE.txt") + "\n\npako\n\n" + readFileSync(novnc + "vendor/pako/LICENSE"));
