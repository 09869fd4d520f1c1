// console.mjs ADDRESS COMMAND PICTURE: opens a streaming address of a guest with
// a shell on its screen, types a command there, and keeps a picture of the page.
// Run by test/vm, over a real machine.
import { browse, connected, watched } from './browser.mjs';
import { answered, typed } from './shell.mjs';

const [address, command, picture] = process.argv.slice(2);
const browser = await browse();
try {
  const page = await watched(browser);
  const res = await page.goto(address);
  if (res.status() !== 200) throw new Error(`the page: ${res.status()}: ${await page.locator('main').innerText()}`);
  await connected(page);
  await answered(page);
  // Upper case and signs in it need Shift, which the page sends as keys.
  const { before, after } = await typed(page, command);
  await page.locator('#quality').waitFor();
  await page.waitForTimeout(1000); // the picture is for people: let the echo be complete
  await page.screenshot({ path: picture });
  const complaints = page.complaints.filter((c) => !/willReadFrequently|did not accept the resize/.test(c)); // this guest keeps its size
  if (complaints.length) throw new Error(`the browser complains: ${complaints.join('; ')}`);
  console.log(JSON.stringify({ before, after, rtt: await page.locator('#rtt').innerText() }));
} finally {
  await browser.close();
}
