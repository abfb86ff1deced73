// Runs in the page, after its own script, and reports what it saw. The phases stand in the page's address.
(async () => {
  const options = new URLSearchParams(location.hash.slice(1));
  const report = {agent: navigator.userAgent, error: null};
  const sleep = ms => new Promise(done => setTimeout(done, ms));
  const until = async (what, ms, step = 4) => {
    for (const end = now() + ms; now() < end; await sleep(step)) if (await what()) return true;
    return false;
  };
  const last = () => live.shown.at(-1);
  const server = () => ask(`/viewer/${live.viewer}`);

  // How long this page was kept from its work, beyond what a busy page does to itself. A machine that stalls freezes every
  // picture, and says nothing about the stream.
  let stalled = 0;
  (async () => {
    for (let before = now(); ; before = now()) {
      await sleep(10);
      const late = now() - before - 10;
      if (late > 60) stalled += late;
    }
  })();

  // What happened between two looks at the same moment.
  const look = async () => ({stats: await receiverStats(), server: await server(), shown: live.shown.length, unreadable: live.unreadable, stalled});
  const between = (before, after) => {
    const stats = name => (after.stats[name] ?? 0) - (before.stats[name] ?? 0);
    const shown = live.shown.slice(before.shown, after.shown), steps = shown.slice(1).map((frame, i) => ({
      numbers: (frame.number - shown[i].number + 65536) % 65536, ms: frame.at - shown[i].at,
    }));
    return {
      seconds: stats('timestamp') / 1000, shown: shown.length, unreadable: after.unreadable - before.unreadable,
      // Half of the numbers lie behind, half ahead. A picture may be painted twice.
      out_of_order: steps.filter(step => step.numbers > 32768).length,
      longest_gap_ms: Math.max(0, ...steps.map(step => step.ms)),
      latency_p50_ms: percentile(shown.map(frame => frame.latency), .5), latency_p95_ms: percentile(shown.map(frame => frame.latency), .95),
      decoded: stats('framesDecoded'), received: stats('framesReceived'), dropped: stats('framesDropped'),
      keyframes: stats('keyFramesDecoded'), requests: stats('pliCount') + stats('firCount'), lost: stats('packetsLost'),
      freezes: stats('freezeCount'), frozen_s: stats('totalFreezesDuration'),
      jitter_buffer_ms: 1000 * stats('jitterBufferDelay') / Math.max(1, stats('jitterBufferEmittedCount')),
      kbps: 8 * (stats('bytesReceived') - stats('retransmittedBytesReceived')) / stats('timestamp'),
      encoded: after.server.frames - before.server.frames, idrs: after.server.idrs - before.server.idrs,
      skipped: after.server.skipped - before.server.skipped,
      stalled_ms: after.stalled - before.stalled + (after.server.late_us - before.server.late_us) / 1000,
    };
  };
  const during = async what => { const before = await look(); await what(); return between(before, await look()); };

  // A transformer on the received stream is the one way for a page to send a PLI when it wants to. Attached to a stream that
  // is running, it is handed no frames, and so delays none.
  let worker = null;
  async function attachWorker() {
    const code = `let transformer;
      onrtctransform = event => { transformer = event.transformer; };
      onmessage = () => transformer.sendKeyFrameRequest().catch(error => postMessage(String(error)));`;
    worker = new Worker(URL.createObjectURL(new Blob([code])));
    worker.onmessage = ({data}) => { report.error ??= data; };
    live.receiver.transform = new RTCRtpScriptTransform(worker, {});
    await sleep(500);
  }
  const requestKeyframe = () => worker.postMessage('');

  const phases = {
    // Nothing is asked for: every frame comes, in order, at once.
    async play() {
      await sleep(1500);
      return during(() => sleep(5000));
    },

    // Each request is followed by an IDR on the screen.
    async keyframes() {
      if (!worker) await attachWorker();
      const answers = [], after_receipt = [], times = Number(options.get('times') ?? 8);
      const all = await during(async () => {
        for (let i = 0; i < times; i++) {
          const before = (await server()).idrs, asked = now();
          requestKeyframe();
          let idr = null;
          // Seldom: asking keeps this page and the server from what is measured.
          await sleep(150);
          await until(async () => { const {idrs, last_idr} = await server(); if (idrs > before) idr = last_idr; return idr !== null; }, 4000, 50);
          // Shown is the first picture that is not older than the IDR.
          const shown = () => live.shown.find(({at, number}) => at > asked && (number - idr + 65536) % 65536 < 32768);
          const came = idr !== null && await until(shown, 8000);
          answers.push(came ? shown().at - asked : null);
          if (!came) break;
          after_receipt.push(shown().at - shown().received);
          // With what has passed, longer than the least time between two IDRs, and no multiple of a frame's.
          await sleep(300 + 7 * i);
        }
      });
      const burst = await during(async () => {
        for (let i = 0; i < 6; i++) { requestKeyframe(); await sleep(15); }
        await sleep(800);
      });
      return {answers, after_receipt, all, burst};
    },

    // The bitrate that was asked for is the one that comes.
    async rate() {
      const rates = [];
      for (const bps of [300000, 2000000, 800000]) {
        await command('bitrate', {bps});
        await sleep(1200);
        for (let second = 0; second < 3; second++) rates.push({wanted_kbps: bps / 1000, ...await during(() => sleep(1000))});
      }
      await command('bitrate', {bps: 1000000});
      return rates;
    },

    // The size that was asked for is the one that is shown, on the same connection.
    async sizes() {
      const sizes = [];
      for (const size of ['1280x720', '320x180', '1920x1080', '642x362', '640x360']) {
        const asked = now();
        const change = await during(async () => {
          await command('size', {size});
          await until(() => `${last().width}x${last().height}` === size && last().at > asked, 8000);
          await sleep(700);
        });
        const first = live.shown.find(frame => frame.at > asked && `${frame.width}x${frame.height}` === size);
        sizes.push({size, shown_ms: first ? first.at - asked : null, ...change});
      }
      return sizes;
    },

    // The hardware breaks in the middle of the call, and is mended.
    async failover() {
      const before = (await server()).backend;
      let during_it = null, back_ms = null;
      const all = await during(async () => {
        await ask('/hardware', {broken: true});
        await sleep(2500);
        during_it = (await server()).backend;
        const mended = now();
        await ask('/hardware', {broken: false});
        if (await until(async () => (await server()).backend === before, 12000)) back_ms = now() - mended;
        await sleep(1500);
      });
      const {fallbacks, restorations, ended} = await server();
      return {before, during: during_it, back_ms, fallbacks, restorations, ended, all};
    },

    // What a person does: the page's own buttons are pressed, and what it shows is read.
    async buttons() {
      const button = (group, text) => [...$(group).querySelectorAll('button')].find(button => button.textContent === text);
      const isDown = button => button.getAttribute('aria-pressed') === 'true';
      const says = id => $(id).textContent;
      const pressed = {}, patience = 12000;
      const press = async (name, button, isDone) => { button.click(); pressed[name] = await until(isDone, patience, 20); };

      const {idrs} = await server();
      await press('keyframe', $('keyframe'), async () => (await server()).idrs > idrs);
      const slow = button('bitrates', '300 k'), large = button('sizes', '1280 × 720');
      await press('bitrate', slow, () => isDown(slow) && says('bitrate-more').includes('target 300 kbit/s'));
      await press('size', large, () => isDown(large) && last().width === 1280 && says('picture') === '1280 × 720');
      if ($('break').getClientRects().length) {
        const isNow = (backend, next) => says('backend') === backend && says('break') === next;
        await press('break', $('break'), () => isNow('openh264', 'Mend the hardware'));
        await press('mend', $('break'), () => isNow('nvenc', 'Break the hardware'));
      }
      const tiles = ['backend', 'picture', 'fps', 'bitrate', 'latency', 'freezes', 'keyframes', 'first'];
      const shown = {
        tiles: Object.fromEntries(tiles.map(id => [id, says(id)])),
        stages: $('stages').rows.length, log: $('log').children.length, notice: !$('notice').hidden,
      };
      await press('bitrate back', button('bitrates', '1 M'), () => isDown(button('bitrates', '1 M')));
      await press('size back', button('sizes', '640 × 360'), () => last().width === 640);
      return {pressed, ...shown};
    },

    // Somebody else changes the network meanwhile.
    async watch() {
      await command('bitrate', {bps: 2500000});
      const targets = [];
      const all = await during(async () => {
        for (let second = 0; second < Number(options.get('seconds') ?? 22); second++) {
          targets.push((await during(() => sleep(1000))).kbps);
        }
      });
      return {all, kbps: targets, target_kbps: (await server()).target_bps / 1000};
    },
  };

  try {
    if (!await until(() => live.shown.length, 20000)) throw new Error(`nothing is shown: ${live.error}`);
    report.first_frame_ms = live.firstFrame;
    // Every start of this page, from loading it anew: the first one has a browser that has only just started itself.
    report.starts = [...JSON.parse(sessionStorage.starts ?? '[]'), {...live.times, shown: live.firstFrame}];
    if (report.starts.length <= Number(options.get('reloads') ?? 0)) {
      sessionStorage.starts = JSON.stringify(report.starts);
      await sleep(1000);
      return location.reload();
    }
    for (const name of options.get('phases').split(',')) report[name] = await phases[name]();
    report.end = await look();
    delete report.end.shown;
  } catch (error) {
    report.error ??= String(error.stack ?? error);
  }
  // A plain request needs nobody's leave, and its answer is not read.
  await fetch(`http://127.0.0.1:${options.get('report')}/`, {method: 'POST', mode: 'no-cors', body: JSON.stringify(report)});
})();
