// Attacks on the streaming pages that take a browser: what other sites, other
// tabs and other people's names can do there. Each test is named after the attack
// that it shows to be refused. The attacks that take none are in test/attack.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { House, browse, connected, until, watched } from './browser.mjs';

// Names that browsers look up here; the portal may frame the pages of its stack.
const [portal, stranger] = ['portal.example.com', 'stranger.example.com'];
const nasty = `<img src=x onerror="window.owned=1"><script>window.owned=1</script>'"&`;

const machines = 20; // users of attacks keep theirs

let house, browser, sites;

before(async () => {
  house = await House.open('--tls-self-signed', '--access-endpoint', 'vpce-1=127.0.0.1:0');
  // Other sites have a certificate that their visitors trust as well.
  const tls = dirname(house.server.client.ca_bundle);
  sites = createServer({ cert: await readFile(join(tls, 'cert.pem')), key: await readFile(join(tls, 'key.pem')) }, (_, res) => {
    res.setHeader('content-type', 'text/html');
    res.end('<!doctype html><title>elsewhere</title>');
  });
  await new Promise((ok) => sites.listen(0, '127.0.0.1', ok));
  const here = `127.0.0.1:${sites.address().port}`;
  browser = await browse(`--host-resolver-rules=MAP ${portal}:443 ${here},MAP ${stranger}:443 ${here},MAP rebound.example.com 127.0.0.1`);
  await house.app.createFleet({
    Name: 'fleet', DisplayName: nasty, ImageName: 'AppStream-Base', InstanceType: 'stream.standard.small', StreamView: 'DESKTOP', ComputeCapacity: { DesiredInstances: machines },
  });
  const stack = async (Name, more = {}) => {
    await house.app.createStack({ Name, DisplayName: nasty, Description: nasty, ...more });
    await house.app.associateFleet({ FleetName: 'fleet', StackName: Name });
  };
  await stack('stack');
  await stack('framed', { EmbedHostDomains: [portal] });
  await stack('inside', { AccessEndpoints: [{ EndpointType: 'STREAMING', VpceId: 'vpce-1' }] });
  await house.app.startFleet({ Name: 'fleet' });
  await until('all machines are up', async () => (await house.app.describeFleets({ Names: ['fleet'] })).Fleets[0].ComputeCapacityStatus.Available === machines);
  await house.build('desk', { DisplayName: nasty, Description: nasty });
});
after(async () => {
  await browser?.close();
  await house?.close();
  sites?.close();
});

const address = async (user, StackName = 'stack') =>
  (await house.app.createStreamingURL({ StackName, FleetName: 'fleet', UserId: user, Validity: 600, SessionContext: nasty })).StreamingURL;

// visitor is a browser of its own, which trusts the server's certificate.
const visitor = () => watched(browser, { ignoreHTTPSErrors: true });

async function seen(url) {
  const page = await visitor();
  await page.goto(url);
  await connected(page);
  return page;
}

const owned = (page) => page.evaluate(() => Boolean(window.owned));

// opens tries a websocket from a page, and tells how that went.
const opens = (page, url) => page.evaluate((url) => new Promise((ok) => {
  const ws = new WebSocket(url);
  ws.onopen = () => ok('open');
  ws.onerror = () => ok('refused');
}), url);

test('script stands in every name that reaches a page', async () => {
  const pages = [await seen(await address('names')), await seen(await house.address('desk'))];
  for (const page of pages) {
    assert.equal(await page.locator('#title').innerText(), nasty);
    assert.equal(await owned(page), false);
    assert.equal(await page.locator('#title *').count(), 0, 'a name has become elements');
    assert.deepEqual(page.complaints.filter((c) => /Content Security Policy|script/i.test(c)), []);
  }
  // A catalogue is made by whoever is at the builder.
  const desk = pages[1];
  await desk.click('#b-assist');
  for (const [name, value] of Object.entries({ path: 'C:\\a.exe', name: 'a', displayName: nasty })) await desk.fill(`#app-form [name=${name}]`, value);
  await desk.click('#app-form button[type=submit]');
  await until('the application is listed or refused', async () => (await desk.locator('#apps li').count()) > 0 || (await desk.locator('#assist-said').innerText()) !== '');
  assert.equal(await owned(desk), false);
  assert.equal(await desk.locator('#apps script, #apps img').count(), 0);
  // What is copied in the guest is text.
  await desk.keyboard.press('Escape');
  await desk.locator('#screen canvas').focus();
  await desk.keyboard.type('<img src=x onerror=window.owned=1>');
  await desk.keyboard.press('Enter'); // the fake guest copies the line
  await until('the line is in the panel', async () => (await desk.locator('#clip').inputValue()).includes('onerror'));
  assert.equal(await owned(desk), false);
  for (const page of pages) await page.context().close();
});

test('script comes into a page by other ways', async () => {
  const page = await seen(await address('injected'));
  const tries = await page.evaluate(async () => {
    const run = (make) => { try { make(); } catch { /* refused by name */ } };
    run(() => { const s = document.createElement('script'); s.textContent = 'window.owned = 1'; document.head.append(s); });
    run(() => { document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.owned=1">'); });
    run(() => { const s = document.createElement('script'); s.src = 'data:text/javascript,window.owned=1'; document.head.append(s); });
    run(() => { const s = document.createElement('script'); s.src = 'https://stranger.example.com/x.js'; document.head.append(s); });
    run(() => { const a = document.createElement('a'); a.href = 'javascript:window.owned=1'; document.body.append(a); a.click(); });
    // Not at once: what a debugger runs may do that.
    setTimeout(() => run(() => { new Function('window.owned = 1')(); }), 0);
    run(() => { const b = document.createElement('base'); b.href = 'https://stranger.example.com/'; document.head.append(b); });
    run(() => { const f = document.createElement('iframe'); f.srcdoc = '<script>parent.owned=1<\/script>'; document.body.append(f); });
    const sent = await fetch('https://stranger.example.com/', { mode: 'no-cors' }).then(() => 'sent', () => 'refused');
    const worker = await new Promise((ok) => { try { const w = new Worker('data:text/javascript,postMessage(1)'); w.onmessage = () => ok('ran'); w.onerror = () => ok('refused'); } catch { ok('refused'); } });
    const form = document.createElement('form');
    form.action = 'https://stranger.example.com/';
    document.body.append(form);
    run(() => form.submit());
    await new Promise((ok) => setTimeout(ok, 300)); // whatever would run has run
    return { owned: Boolean(window.owned), base: document.baseURI, sent, worker };
  });
  assert.deepEqual({ ...tries, base: '' }, { owned: false, base: '', sent: 'refused', worker: 'refused' });
  assert.ok(!tries.base.includes('stranger'), tries.base);
  assert.ok(page.url().startsWith(house.server.client.endpoint), 'a form led elsewhere');
  await page.context().close();
});

test('a cookie is read by script', async () => {
  const page = await seen(await address('cookies'));
  assert.equal(await page.evaluate(() => document.cookie), '');
  const [cookie] = await page.context().cookies(page.url());
  assert.deepEqual([cookie.httpOnly, cookie.secure, cookie.sameSite, cookie.path], [true, true, 'Strict', new URL(page.url()).pathname]);
  assert.ok(!page.url().includes('token'), page.url());
  assert.equal(await page.evaluate(() => Object.keys(localStorage).length + Object.keys(sessionStorage).length), 0);
  await page.context().close();
});

test('the address of a page is opened in another browser', async () => {
  const page = await seen(await address('shared'));
  const thief = await visitor();
  assert.equal((await thief.goto(page.url())).status(), 403);
  assert.match(await thief.locator('main').innerText(), /another browser/);
  assert.equal(await opens(thief, `${page.url().replace('https', 'wss')}socket`), 'refused');
  assert.equal(await page.locator('#state').getAttribute('data-state'), 'connected');
  await thief.context().close();
  await page.context().close();
});

test('a stolen cookie is used after the session was expired', async () => {
  const page = await seen(await address('robbed'));
  const thief = await visitor();
  await thief.context().addCookies(await page.context().cookies(page.url()));
  const [{ Id }] = (await house.app.describeSessions({ StackName: 'stack', FleetName: 'fleet', UserId: 'robbed', AuthenticationType: 'API' })).Sessions;
  await house.app.expireSession({ SessionId: Id });
  await page.locator('#veil-text', { hasText: 'session has ended' }).waitFor();
  assert.equal((await thief.goto(page.url())).status(), 404);
  assert.equal(await opens(thief, `${page.url().replace('https', 'wss')}socket`), 'refused');
  await thief.context().close();
  await page.context().close();
});

test('another site in the same browser takes the screen', async () => {
  const page = await seen(await address('visited'));
  const own = page.url();
  const evil = await page.context().newPage();
  await evil.goto(`https://${stranger}/`);
  assert.equal(await opens(evil, `${own.replace('https', 'wss')}socket`), 'refused');
  for (const [path, method] of [['status', 'GET'], ['', 'GET'], ['end', 'POST']]) {
    const read = await evil.evaluate(([url, method]) => fetch(url, { method, credentials: 'include' }).then(() => 'read', () => 'refused'), [own + path, method]);
    assert.equal(read, 'refused', `${method} ${path}`);
  }
  await evil.evaluate((url) => fetch(url, { method: 'POST', credentials: 'include', mode: 'no-cors' }).catch(() => {}), `${own}end`);
  // A window that it opens has no opener, and is not to be reached.
  const [popup] = await Promise.all([page.context().waitForEvent('page'), evil.evaluate((url) => { window.w = window.open(url); }, own)]);
  await popup.waitForLoadState();
  assert.equal(await popup.evaluate(() => window.opener), null);
  assert.equal(await evil.evaluate(() => { try { return window.w.closed || Boolean(window.w.document) && 'reached'; } catch { return 'refused'; } }), true, 'the window is still at hand');
  assert.equal(await page.locator('#state').getAttribute('data-state') !== 'ended', true, 'the session was ended from elsewhere');
  const { Sessions } = await house.app.describeSessions({ StackName: 'stack', FleetName: 'fleet', UserId: 'visited', AuthenticationType: 'API' });
  assert.equal(Sessions[0].State, 'ACTIVE');
  await page.context().close();
});

// inFrame opens an address in a frame of a site, and returns the frame.
async function inFrame(site, url) {
  const page = await visitor();
  await page.goto(`https://${site}/`);
  await page.evaluate((url) => new Promise((ok) => {
    const f = document.createElement('iframe');
    f.width = 900;
    f.height = 600;
    f.onload = ok;
    f.src = url;
    document.body.append(f);
  }), url);
  return [page, page.frames().find((f) => f !== page.mainFrame())];
}

test('a page is framed by a site that its stack does not name', async () => {
  for (const [site, stack] of [[stranger, 'stack'], [stranger, 'framed'], [portal, 'stack']]) {
    const [page, frame] = await inFrame(site, await address('framer', stack));
    assert.ok(page.complaints.some((c) => /frame-ancestors|refused to connect|X-Frame/i.test(c)), `${site} framed ${stack}: ${page.complaints.join('\n')}`);
    assert.equal(await frame.locator('canvas').count(), 0);
    await page.context().close();
  }
});

test('a page is framed by a site that its stack names, and works there', async () => {
  const [page, frame] = await inFrame(portal, await address('embedded', 'framed'));
  await frame.locator('#state[data-state=connected]').waitFor();
  assert.equal(await page.evaluate(() => { try { return Boolean(document.querySelector('iframe').contentDocument); } catch { return false; } }), false, 'the portal reaches into the page');
  await page.context().close();
});

test('a page is opened through a name that somebody has lead here', async () => {
  const url = new URL(await address('rebound'));
  const page = await visitor();
  url.hostname = 'rebound.example.com';
  await page.goto(url.href); // whoever has the address may open it; the screen is not shown there
  await page.locator('#state:not([data-state=connecting])').waitFor();
  assert.notEqual(await page.locator('#state').getAttribute('data-state'), 'connected');
  await page.context().close();
});

test('a screen behind an access endpoint is opened from elsewhere', async () => {
  const url = new URL(await address('insider', 'inside'));
  const own = new URL(house.server.client.endpoint);
  assert.notEqual(url.port, own.port);
  const page = await seen(url.href);
  const outside = new URL(url);
  outside.port = own.port;
  const other = await page.context().newPage(); // with the cookie of the page, whose host is the same
  assert.equal((await other.goto(outside.href)).status(), 403);
  assert.match(await other.locator('main').innerText(), /only through its access endpoints/);
  const around = new URL(page.url());
  around.port = own.port;
  assert.equal((await other.goto(around.href)).status(), 403);
  assert.equal(await opens(other, `${around.href.replace('https', 'wss')}socket`), 'refused');
  await page.context().close();
});
