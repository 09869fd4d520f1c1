// A shell on the screen of the sample guest, as somebody at the page uses it. Run
// by the programs beside this file, over real machines.
import { until } from './browser.mjs';

// look counts the pixels of the guest's screen that are not its most frequent
// colour, and a sum over all.
export const look = (page) => page.evaluate(() => {
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

// A shell answers Enter with another prompt, which is more than the cursor that
// blinks.
const prompt = 20;

// answered waits until a shell is there.
export async function answered(page) {
  // Firmware and boot loader also draw: the banner is blue.
  await until('the guest shows its banner', async () => (await look(page)).first === 'rgb(0,0,170)', 180_000);
  await until('a shell answers', async () => {
    const before = await look(page);
    await page.keyboard.press('Enter');
    for (let i = 0; i < 20; i++) {
      await page.waitForTimeout(100);
      if ((await look(page)).ink >= before.ink + prompt) return true;
    }
    return false;
  }, 120_000);
}

// typed types a command, with the page's own typing, which knows Shift; the last
// key is the browser's. It returns the looks before it and when what it did shows.
export async function typed(page, command) {
  const before = await look(page);
  await page.click('#b-clip');
  await page.fill('#clip', command);
  await page.click('#clip-type');
  const drawn = 4 * command.length; // pixels of a character, at least
  let last = 0;
  await until('it is typed', async () => {
    const { ink } = await look(page);
    const rests = ink < last + prompt && ink >= before.ink + drawn;
    last = ink;
    await page.waitForTimeout(1500);
    return rests;
  }, 180_000);
  await page.keyboard.press('Enter');
  let after;
  await until('what was typed is shown', async () => {
    after = await look(page);
    return after.ink > before.ink + drawn + prompt;
  }, 120_000);
  return { before, after };
}
