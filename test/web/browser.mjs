// Starts the browser and a server with an image builder to look at, for the
// tests beside this file. What is asked of the pages belongs in the tests.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as appstream from '@aws-sdk/client-appstream';
import { chromium } from 'playwright-core';
import { Server, root, until } from '../js/rig.mjs';

export { until };

// shots is where pictures of the pages are kept, for people.
export const shots = join(root, 'bin', 'screenshots');

// browse starts Debian's Chromium without what it would ask the internet for.
export function browse(...flags) {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [...flags, '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

export async function shoot(page, name) {
  const path = join(shots, `${name}.png`);
  await mkdir(dirname(path), { recursive: true });
  await page.screenshot({ path });
  return path;
}

// House is a server without real machines, and its client.
export class House {
  static async open(...flags) {
    const h = new House();
    const images = join(process.env.TMPDIR ?? '/tmp', `slipway-web-images-${process.pid}.json`);
    await writeFile(images, JSON.stringify({ images: [{ name: 'AppStream-Base', platform: 'WINDOWS_SERVER_2022', families: ['GENERAL_PURPOSE'] }] }));
    h.server = await Server.start('--compute', 'fake', '--fake-boot-time', '50ms', '--public-images', images, ...flags);
    h.app = new appstream.AppStream(h.server.config);
    return h;
  }

  async state(name) { return (await this.app.describeImageBuilders({ Names: [name] })).ImageBuilders[0].State; }

  // build makes an image builder and waits until it runs.
  async build(name, more = {}) {
    await this.app.createImageBuilder({ Name: name, ImageName: 'AppStream-Base', InstanceType: 'stream.standard.small', ...more });
    await this.is(name, 'RUNNING');
  }

  async is(name, state) { await until(`${name} is ${state}`, async () => (await this.state(name)) === state); }

  async address(name, Validity) { return (await this.app.createImageBuilderStreamingURL({ Name: name, Validity })).StreamingURL; }

  async close() { await this.server?.stop(); }
}

// watched opens a page in a context of its own and remembers what a browser
// complains about.
export async function watched(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.complaints = [];
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type())) page.complaints.push(m.text()); });
  page.on('pageerror', (e) => page.complaints.push(String(e)));
  return page;
}

// connected waits until the page shows the screen.
export async function connected(page) {
  await page.locator('#state[data-state=connected]').waitFor({ timeout: 30_000 });
}
