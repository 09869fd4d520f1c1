// application.mjs ADDRESS DIRECTORY: a user of the graphical sample guest who
// starts applications from the page, and sends a file there and back. Pictures are
// kept in DIRECTORY. Run by test/vm, over a real machine.
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { browse, connected, until, watched } from './browser.mjs';

const [address, directory] = process.argv.slice(2);
const browser = await browse();
const sum = (b) => createHash('sha256').update(b).digest('hex');
try {
  const page = await watched(browser, { colorScheme: 'light', viewport: { width: 1280, height: 860 } });
  const res = await page.goto(address);
  if (res.status() !== 200) throw new Error(`the page: ${res.status()}: ${await page.locator('main').innerText()}`);
  const shoot = (name) => page.screenshot({ path: join(directory, `${name}.png`) });
  const tile = (title) => page.locator('.tile', { hasText: title });
  // look is a sum over the desktop, without its bar, on which a clock runs.
  const bar = 40;
  const look = () => page.evaluate((bar) => {
    const c = document.querySelector('#screen canvas');
    if (c.height <= bar) return 0;
    return new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height - bar).data.buffer).reduce((n, w) => (Math.imul(n, 31) + w) | 0, 0);
  }, bar);
  // settled waits until the desktop has been the same for a while.
  const settled = async () => {
    let last, same = 0;
    await until('the desktop is at rest', async () => {
      await page.waitForTimeout(1000);
      const now = await look();
      same = now !== 0 && now === last ? same + 1 : 0;
      last = now;
      return same === 4;
    }, 180_000);
    return last;
  };
  const start = async (title) => {
    const before = await settled();
    const begun = Date.now();
    await tile(title).click();
    await page.locator('#toast', { hasText: `${title} was started` }).waitFor({ timeout: 120_000 });
    const told = Date.now() - begun;
    await until(`${title} is on the screen`, async () => (await look()) !== before, 120_000);
    return { told, seen: Date.now() - begun };
  };
  await tile('Clock').waitFor();
  await connected(page);
  await shoot('vm-app-catalogue');
  const out = {};
  // The desktop itself may still be on its way: the page says so.
  await until('the desktop is there', async () => {
    await tile('No Program').click();
    await page.locator('#cat-said.bad').waitFor({ timeout: 90_000 });
    return (await page.locator('#cat-said').innerText()).includes('cannot be run');
  }, 240_000);
  out.refused = await page.locator('#cat-said').innerText();
  await shoot('vm-app-refused');
  out.clock = await start('Clock');
  await page.waitForTimeout(3000); // the picture is for people: let it be drawn
  await shoot('vm-app-started');
  await page.click('#b-apps');
  out.editor = await start('Editor');
  await page.waitForTimeout(3000);
  await shoot('vm-app-second');

  const content = randomBytes(1_500_000);
  await page.click('#b-files');
  await page.locator('#files li').first().waitFor();
  let begun = Date.now();
  await page.setInputFiles('#file-input', [{ name: 'there and back.bin', mimeType: 'application/octet-stream', buffer: content }]);
  await page.locator('#transfers small', { hasText: 'Arrived' }).waitFor({ timeout: 120_000 });
  out.up = Date.now() - begun;
  await page.locator('#files a').waitFor();
  await shoot('vm-app-files');
  begun = Date.now();
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#files a').click()]);
  const back = await readFile(await download.path());
  out.down = Date.now() - begun;
  out.bytes = content.length;
  out.sum = sum(content);
  if (sum(back) !== out.sum) throw new Error(`${back.length} bytes came back, and not those that were sent`);
  const complaints = page.complaints.filter((c) => !/willReadFrequently|did not accept the resize|status of 4\d\d/.test(c));
  if (complaints.length) throw new Error(`the browser complains: ${complaints.join('; ')}`);
  console.log(JSON.stringify(out));
} finally {
  await browser.close();
}
