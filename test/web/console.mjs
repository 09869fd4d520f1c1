// console.mjs ADDRESS COMMAND PICTURE: opens a streaming address of a guest with
// a shell on its screen, types a command there, and keeps a picture of the page.
// Run by test/vm, over a real machine.
import { browse, connected, until, watched } from './browser.mjs';

const [address, command, picture] = process.argv.slice(2);
const browser = await browse();
try {
  const page = await watched(browser);
  const res = await page.goto(address);
  if (res.status() !== 200) throw new Error(`the page: ${res.status()}: ${await page.locator('main').innerText()}`);
  await connected(page);
  // look counts the pixels of the guest's screen that are not its most frequent
  // colour, and a sum over all.
  const look = () => page.evaluate(() => {
    const c = document.querySelector('#screen canvas');
    const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
    const words = new Uint32Array(data.buffer);
    const count = new Map();
    let sum = 0;
    for (const w of words) {
      count.set(w, (count.get(w) ?? 0) + 1);
      sum = (Math.imul(sum, 31) + w) | 0;
    }
    return { width: c.width, height: c.height, first: `rgb(${data.slice(0, 3).join()})`, ink: words.length - Math.max(...count.values()), sum };
  });
  let before;
  // Firmware and boot loader also draw: the banner is blue. A shell answers
  // Enter with another prompt, which is more than the cursor that blinks.
  const prompt = 20;
  await until('the guest shows its banner', async () => (before = await look()).first === 'rgb(0,0,170)', 180_000);
  await until('a shell answers', async () => {
    before = await look();
    await page.keyboard.press('Enter');
    for (let i = 0; i < 20; i++) {
      await page.waitForTimeout(100);
      if ((await look()).ink >= before.ink + prompt) return true;
    }
    return false;
  }, 120_000);
  before = await look();
  // The page's own typing, which knows Shift; the last key is the browser's.
  await page.click('#b-clip');
  await page.fill('#clip', command);
  await page.click('#clip-type');
  const drawn = 4 * command.length; // pixels of a character, at least
  let last = 0;
  await until('it is typed', async () => {
    const { ink } = await look();
    const rests = ink < last + prompt && ink >= before.ink + drawn;
    last = ink;
    await page.waitForTimeout(1500);
    return rests;
  });
  await page.keyboard.press('Enter');
  let after;
  await until('what was typed is shown', async () => {
    after = await look();
    return after.ink > before.ink + drawn + prompt;
  }, 120_000);
  await page.locator('#quality').waitFor();
  await page.waitForTimeout(1000); // the picture is for people: let the echo be complete
  await page.screenshot({ path: picture });
  const complaints = page.complaints.filter((c) => !/willReadFrequently|did not accept the resize/.test(c)); // this guest keeps its size
  if (complaints.length) throw new Error(`the browser complains: ${complaints.join('; ')}`);
  console.log(JSON.stringify({ before, after, rtt: await page.locator('#rtt').innerText() }));
} finally {
  await browser.close();
}
