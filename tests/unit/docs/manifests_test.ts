import assert from "node:assert/strict";
import { join } from "node:path";

const ROOT = join(import.meta.dirname ?? "", "..", "..", "..");
const read = (path: string): Promise<string> => Deno.readTextFile(join(ROOT, path));

Deno.test("a pod of the base that is alive is ready, so that a rollout with a standby ends", async () => {
  const text = await read("deploy/kubernetes/base/deployment.yaml");
  assert.match(text, /replicas: 2/);
  assert.match(text, /readinessProbe:\s+httpGet: \{ path: \/healthz,/);
});

Deno.test("Compose takes no port of the host that the quick start takes, and each can be changed", async () => {
  const ports = [...(await read("deploy/compose.yaml")).matchAll(/"127\.0\.0\.1:([^"]+):\d+"/g)]
    .map(([, port = ""]) => port);
  assert.equal(ports.length, 6);
  for (const port of ports) assert.match(port, /^\$\{[A-Z_]+_PORT:-\d+\}$/);
  const quickStart = [...(await read("README.md")).matchAll(/(?:-p |--publish=)(\d+):/g)].map(([, port]) =>
    port
  );
  assert.deepEqual(quickStart, ["27017", "4200"]);
  for (const port of quickStart) assert.ok(!ports.some((each) => each.includes(`-${port}}`)), port);
});

Deno.test("Compose does not restart a relay with a wrong option without end", async () => {
  assert.match(await read("deploy/compose.yaml"), /restart: \$\{RELAY_RESTART:-on-failure:\d+\}/);
});

Deno.test("Compose, the base, the workers and the systemd unit read a relay.yaml", async () => {
  const compose = await read("deploy/compose.yaml");
  assert.match(compose, /CDC_CONFIG: \/etc\/cdc-relay\/relay\.yaml/);
  assert.match(compose, /volumes: \["\.\/relay:\/etc\/cdc-relay:ro"\]/);
  for (const path of ["base/deployment.yaml", "workers/stateful_set.yaml"]) {
    const text = await read(`deploy/kubernetes/${path}`);
    assert.match(text, /args: \["cdc-relay", "--config", "\/etc\/cdc-relay\/relay\.yaml", "--standby"\]/);
    assert.match(text, /- name: config\s+configMap: \{ name: cdc-relay \}/);
  }
  const unit = await read("deploy/systemd/cdc-relay.service");
  assert.match(unit, /^ExecStart=.* --config \/etc\/cdc-relay\/relay\.yaml$/m);
  assert.match(unit, /^ExecReload=\/bin\/kill -HUP \$MAINPID$/m);
});

Deno.test("the systemd unit finds deno on a path, and is not restarted after a wrong option", async () => {
  const text = await read("deploy/systemd/cdc-relay.service");
  assert.match(text, /^ExecStart=\/usr\/bin\/env deno run /m);
  assert.match(text, /^RestartPreventExitStatus=2\b/m);
});

Deno.test("a release tags the image as the chart names it, and has checksums", async () => {
  const { version } = JSON.parse(await read("deno.json"));
  assert.match(
    await read("deploy/kubernetes/helm/Chart.yaml"),
    new RegExp(`^appVersion: ${RegExp.escape(version)}$`, "m"),
  );
  const release = await read(".github/workflows/release.yaml");
  assert.match(release, /version="\$\{GITHUB_REF_NAME#v\}"/);
  assert.match(
    release,
    /ghcr\.io\/\$\{\{ github\.repository \}\}:\$\{\{ needs\.version\.outputs\.version \}\}/,
  );
  assert.match(release, /sha256sum .+ > SHA256SUMS/);
});
