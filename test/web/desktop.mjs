// desktop.mjs ADDRESS TEXT PICTURE: opens a streaming address of the graphical
// sample guest, sees its screen follow the window and texts go through its
// clipboard both ways, and keeps a picture. Run by test/vm, over a real machine.
import { browse, connected, until, watched } from './browser.mjs';
import { look } from './shell.mjs';

const [address, text, picture] = process.argv.slice(2);
const browser = await browse();
try {
  const page = await watched(browser);
  await page.setViewportSize({ width: 1300, height: 850 });
  await page.goto(address);
  await connected(page);
  const area = () => page.evaluate(() => {
    const { width, height } = document.querySelector('#screen').getBoundingClientRect();
    return { width: width & ~7, height: height & ~1 };
  });
  const follows = () => until('the screen is as large as the window', async () => {
    const [have, want] = [await look(page), await area()];
    return Math.abs(have.width - want.width) <= 8 && Math.abs(have.height - want.height) <= 2;
  }, 180_000);
  await follows();
  const first = await look(page);
  await page.setViewportSize({ width: 1040, height: 720 });
  await follows();
  const second = await look(page);

  // A terminal is open: its window is given the keys.
  const type = async (line) => {
    await page.click('#b-clip');
    await page.fill('#clip', line);
    await page.click('#clip-type');
    await page.waitForTimeout(40 * line.length + 500);
    await page.keyboard.press('Enter');
  };
  const { x, y } = await page.locator('#screen canvas').boundingBox();
  await until('the guest gives its clipboard', async () => {
    await page.mouse.click(x + 300, y + 200);
    await type('xclip -selection c /etc/hostname');
    await page.waitForTimeout(4000);
    return (await page.locator('#clip').inputValue()).trim() === 'slipway-guest';
  }, 180_000);
  await until('the guest takes a text', async () => {
    await page.click('#b-clip');
    await page.fill('#clip', text);
    await page.click('#clip-send');
    await page.waitForTimeout(1000);
    await page.keyboard.press('Escape');
    await type('xclip -o -selection c > /tmp/x; cat /tmp/x > /dev/ttyS0; xclip -selection c /tmp/x');
    await page.waitForTimeout(4000);
    return (await page.locator('#clip').inputValue()).trim() === text;
  }, 180_000);
  await page.screenshot({ path: picture });
  console.log(JSON.stringify({ first: [first.width, first.height], second: [second.width, second.height] }));
} finally {
  await browser.close();
}
