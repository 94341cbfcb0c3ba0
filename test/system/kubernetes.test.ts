import { readFileSync } from 'node:fs';
import type { IDeployment } from 'kubernetes-models/apps/v1/Deployment';
import type { IHorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import type { IConfigMap } from 'kubernetes-models/v1/ConfigMap';
import type { IService } from 'kubernetes-models/v1/Service';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { buildApp } from '../../src/app.ts';
import { readConfig, securityOf } from '../../src/config.ts';
import { warningsOf } from '../../src/http/secured.ts';
import { Authority, Files } from '../e2e/certificates.ts';
import { faultsOf, type Manifest, render } from './kubernetes.ts';
import { PROMETHEUS_RULE, prometheusRule } from './kubernetes-rules.ts';

const MIB = 2 ** 20;
const NAME = { 'app.kubernetes.io/name': 'migration-preflight' };
const dockerfile = readFileSync('Dockerfile', 'utf8');
const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };

/** What `path` leads to: members by name, elements by index. */
const at = (value: unknown, path: string): unknown =>
  path.split('.').reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], value);

/** Bytes of "512Mi". */
const mebibytes = (quantity: unknown): number => Number(/^(\d+)Mi$/.exec(String(quantity))?.[1]) * MIB;

const overlays = { small: await render('small'), production: await render('production') };

/** The types of what is read below. */
interface Kinds {
  readonly Deployment: IDeployment;
  readonly Namespace: Manifest;
  readonly NetworkPolicy: INetworkPolicy;
  readonly Service: IService;
}

const kindsOf = (manifests: readonly Manifest[]): string[] => manifests.map(({ kind }) => kind).toSorted();

describe.each(['small', 'production'] as const)('the overlay %s', (overlay) => {
  const manifests = overlays[overlay];
  const only = <K extends keyof Kinds>(kind: K): Kinds[K] => {
    const [found, ...others] = manifests.filter((manifest) => manifest.kind === kind);
    if (!found || others.length > 0) throw new Error(`not one ${kind} but ${kindsOf(manifests).join(', ')}`);
    return found as Kinds[K];
  };
  const pod = (): NonNullable<IDeployment['spec']>['template']['spec'] => only('Deployment').spec?.template.spec;
  const container = () => pod()?.containers[0];
  /** What is in the ConfigMap that a volume of the pod is of, whose name may carry a hash of that. */
  const dataOf = (name: string): Readonly<Record<string, string>> => {
    const isMounted = pod()?.volumes?.some(({ configMap }) => configMap?.name?.startsWith(name));
    const found = manifests.find((each) => each.kind === 'ConfigMap' && each.metadata.name.startsWith(name));
    if (!found || !isMounted) throw new Error(`no ConfigMap ${name}`);
    return (found as IConfigMap).data ?? {};
  };

  it('says nothing that Kubernetes would not take', async () => {
    const faults = await Promise.all(manifests.map(async (each) => [each.kind, await faultsOf(each)]));
    expect(faults).toEqual(manifests.map(({ kind }) => [kind, []]));
  });

  it('keeps to itself: all in one namespace, which takes restricted pods only', () => {
    const namespace = only('Namespace');
    expect(namespace.metadata.labels).toMatchObject({ 'pod-security.kubernetes.io/enforce': 'restricted' });
    const others = manifests.filter((each) => each !== namespace);
    expect(others.map(({ metadata }) => metadata)).toEqual(
      others.map(() =>
        expect.objectContaining({ namespace: namespace.metadata.name, labels: expect.objectContaining(NAME) }),
      ),
    );
  });

  // What the restricted pod security standard asks for, and what goes beyond it.
  it.each<[path: string, value: unknown]>([
    ['securityContext.runAsNonRoot', true],
    ['securityContext.seccompProfile', { type: 'RuntimeDefault' }],
    ['containers.0.securityContext.allowPrivilegeEscalation', false],
    ['containers.0.securityContext.capabilities', { drop: ['ALL'] }],
    ['containers.0.securityContext.readOnlyRootFilesystem', true],
    ['containers.0.securityContext.privileged', undefined],
    ['containers.length', 1],
    ['automountServiceAccountToken', false],
    ['enableServiceLinks', false],
    ['hostNetwork', undefined],
    ['hostPID', undefined],
    ['hostIPC', undefined],
  ])('its pods have %s %j', (path, value) => {
    expect(at(pod(), path)).toEqual(value);
  });

  it('runs the image of this version, as the user and on the port that the image has', () => {
    const [, user, group] = /^USER (\d+):(\d+)$/m.exec(dockerfile) ?? [];
    expect(pod()?.securityContext).toMatchObject({ runAsUser: Number(user), runAsGroup: Number(group) });
    expect(container()?.ports?.[0]).toEqual({
      name: 'http',
      containerPort: Number(/^EXPOSE (\d+)$/m.exec(dockerfile)?.[1]),
    });
    expect(container()?.image).toBe(`migration-preflight:${version}`);
  });

  it('every selector selects its pods', () => {
    const deployment = only('Deployment').spec;
    expect(deployment?.template.metadata?.labels).toEqual(NAME);
    const selectors = [
      deployment?.selector.matchLabels,
      only('Service').spec?.selector,
      only('NetworkPolicy').spec?.podSelector?.matchLabels,
      ...(pod()?.topologySpreadConstraints ?? []).map(({ labelSelector }) => labelSelector?.matchLabels),
    ];
    expect(selectors).toEqual(Array.from({ length: 5 }, () => NAME));
  });

  it('spreads over nodes and over zones, and runs where it cannot', () => {
    const constraints = pod()?.topologySpreadConstraints?.map((each) => [each.topologyKey, each.whenUnsatisfiable]);
    expect(constraints).toEqual([
      ['kubernetes.io/hostname', 'ScheduleAnyway'],
      ['topology.kubernetes.io/zone', 'ScheduleAnyway'],
    ]);
  });

  it('gives a pod longer to stop than it takes', () => {
    const { shutdownMs, drainMs } = readConfig({});
    const preStop = container()?.lifecycle?.preStop?.sleep?.seconds ?? 0;
    expect(preStop).toBeGreaterThanOrEqual(5);
    expect((pod()?.terminationGracePeriodSeconds ?? 0) * 1000).toBeGreaterThan(preStop * 1000 + drainMs + shutdownMs);
  });

  // npm run bench:capacity measures what is beside it, which Node 24 would have far more of without the second option.
  it('lets the heap take most of the memory, and leaves 160 MiB to what is beside it', () => {
    const { requests, limits } = container()?.resources ?? {};
    const options = container()?.env?.find(({ name }) => name === 'NODE_OPTIONS')?.value;
    const heap = Number(/^--max-old-space-size=(\d+) --max-semi-space-size=8$/.exec(options ?? '')?.[1]) * MIB;
    const limit = mebibytes(limits?.['memory']);
    expect(requests?.['memory']).toBe(limits?.['memory']);
    expect(limit - heap).toBeGreaterThanOrEqual(160 * MIB);
    expect(heap).toBeGreaterThan(limit / 2);
  });

  it('starts with what its pods are given, warns of what is open, and answers its probes where they ask', async () => {
    const { cert, key } = await (await Authority.create('authority')).issue('service', { usage: 'serverAuth' });
    // What kubelet finds in each kind of volume; the secrets are a site's own.
    const contents: Record<string, Readonly<Record<string, string>>> = {
      hosts: dataOf('migration-preflight-hosts'),
      policy: dataOf('migration-preflight-policy'),
      tls: { 'tls.crt': cert, 'tls.key': key },
      clients: { clients: `nova evaluate sha256:${'0'.repeat(64)}\n` },
    };
    const files = new Files();
    const written = new Map<string, string>();
    const mounts = container()?.volumeMounts ?? [];
    for (const { name, mountPath, readOnly } of mounts) {
      expect(readOnly).toBe(true);
      for (const [file, text] of Object.entries(contents[name] ?? {})) {
        written.set(`${mountPath}/${file}`, files.write(`${name}-${file}`, text));
      }
    }
    expect(mounts.map(({ name }) => name).toSorted()).toEqual(
      (pod()?.volumes ?? []).map(({ name }) => name).toSorted(),
    );
    const given = (container()?.env ?? []).map(({ name, value = '' }) => [name, written.get(value) ?? value]);
    const env: Record<string, string> = { ...Object.fromEntries(given), PORT: '0', OPERATIONS_PORT: '0' };
    const config = readConfig(env);
    expect(warningsOf('0.0.0.0', securityOf(config)).length).toBe(overlay === 'small' ? 1 : 0);
    expect(config.operationsHost).toBe('0.0.0.0');
    const app = await buildApp(config);
    const probes = [container()?.startupProbe, container()?.readinessProbe, container()?.livenessProbe];
    expect(probes.map((probe) => probe?.httpGet?.path)).toEqual(['/health/ready', '/health/ready', '/health/live']);
    expect(probes.map((probe) => probe?.httpGet?.port)).toEqual(['operations', 'operations', 'operations']);
    const statuses = ['/health/ready', '/health/live', '/metrics'].map(
      async (url) => (await app.operations?.inject(url))?.statusCode,
    );
    expect(await Promise.all(statuses)).toEqual([200, 200, 200]);
    await app.close();
    files.remove();
  });

  it('takes requests from named places only, and makes none', () => {
    const policy = only('NetworkPolicy').spec;
    expect(policy?.policyTypes).toEqual(['Ingress', 'Egress']);
    expect(policy?.egress).toEqual([]);
    const named = policy?.ingress?.map(({ from = [], ports }) => ({
      ports,
      namespaces: from.map(({ namespaceSelector }) => namespaceSelector?.matchLabels),
    }));
    expect(named).toEqual([
      { ports: [{ port: 'http' }], namespaces: [{ 'migration-preflight/client': 'true' }] },
      { ports: [{ port: 'operations' }], namespaces: [{ 'kubernetes.io/metadata.name': 'monitoring' }] },
    ]);
  });
});

describe('which overlay has what', () => {
  const base = ['ConfigMap', 'ConfigMap', 'Deployment', 'Namespace', 'NetworkPolicy', 'Service'];

  it('small: one replica, and no kind that Kubernetes does not bring', () => {
    const manifests = overlays.small;
    expect(kindsOf(manifests)).toEqual(base);
    expect(
      at(
        manifests.find(({ kind }) => kind === 'Deployment'),
        'spec.replicas',
      ),
    ).toBe(1);
  });

  it('production: as many replicas as the load needs, never fewer than an eviction leaves', () => {
    const manifests = overlays.production;
    const more = ['HorizontalPodAutoscaler', 'PodDisruptionBudget', 'PrometheusRule', 'ServiceMonitor'];
    expect(kindsOf(manifests)).toEqual([...base, ...more].toSorted());
    const of = (kind: string) => manifests.find((each) => each.kind === kind);
    const deployment = of('Deployment') as IDeployment;
    const scaler = (of('HorizontalPodAutoscaler') as IHorizontalPodAutoscaler).spec;
    const budget = (of('PodDisruptionBudget') as IPodDisruptionBudget).spec;
    // A number here would undo the autoscaler's at each apply.
    expect(deployment.spec?.replicas).toBeUndefined();
    expect(scaler?.scaleTargetRef).toEqual({
      apiVersion: deployment.apiVersion,
      kind: deployment.kind,
      name: deployment.metadata?.name,
    });
    // Utilization is of what is requested.
    expect(at(deployment, 'spec.template.spec.containers.0.resources.requests.cpu')).toBe('1');
    expect(scaler?.minReplicas).toBeGreaterThan(budget?.maxUnavailable as number);
    expect(budget?.selector?.matchLabels).toEqual(NAME);
    expect(at(of('ServiceMonitor'), 'spec.selector.matchLabels')).toEqual(NAME);
    expect(at(of('ServiceMonitor'), 'spec.endpoints')).toEqual([
      { port: 'operations', path: '/metrics', interval: '15s' },
    ]);
  });
});

describe('the PrometheusRule', () => {
  it("is written from Prometheus' rules: npm run kubernetes", () => {
    expect(readFileSync(PROMETHEUS_RULE, 'utf8')).toBe(prometheusRule());
  });

  it('has the very same groups', () => {
    const rules: unknown = parse(readFileSync('deploy/prometheus/rules.yml', 'utf8'));
    expect(at(parse(readFileSync(PROMETHEUS_RULE, 'utf8')), 'spec')).toEqual(rules);
  });

  it('names the job as the operator does, after the Service', () => {
    const service = overlays.production.find(({ kind }) => kind === 'Service');
    const jobs = new Set(prometheusRule().match(/(?<=job=")[^"]*/g));
    expect([...jobs]).toEqual([service?.metadata.name]);
  });
});

describe('what Kubernetes would not take is found', () => {
  it.each<[kind: string, path: string, value: unknown, fault: RegExp]>([
    ['Deployment', 'spec.template.spec.containers.0.securityContext.readOnlyRootFileSystem', true, /no such field/],
    ['Deployment', 'spec.template.spec.automountServiceAccountTokens', false, /no such field/],
    ['Deployment', 'spec.replicas', 'two', /must be integer/],
    ['Deployment', 'spec.selector', undefined, /required property selector/],
    ['Service', 'spec.ports.0.targetport', 'http', /no such field/],
    ['NetworkPolicy', 'spec.egres', [], /no such field/],
    ['HorizontalPodAutoscaler', 'spec.maxReplicas', undefined, /required property maxReplicas/],
    ['PodDisruptionBudget', 'spec.maxUnavailabe', 1, /no such field/],
    ['ServiceMonitor', 'spec.endpoints.0.scheme', 'gopher', /must be equal to one of the allowed values/],
    ['ServiceMonitor', 'spec.endpoints.0.intervall', '15s', /no such field/],
    ['PrometheusRule', 'spec.groups.0.rules.0.expression', 'up', /no such field/],
  ])('%s with %s %j', async (kind, path, value, fault) => {
    const manifest = structuredClone(overlays.production.find((each) => each.kind === kind));
    if (!manifest) throw new Error(`there is no ${kind}`);
    expect(await faultsOf(manifest)).toEqual([]);
    const keys = path.split('.');
    const key = keys.pop() ?? '';
    (at(manifest, keys.join('.')) as Record<string, unknown>)[key] = value;
    expect(await faultsOf(manifest)).toEqual([expect.stringMatching(fault)]);
  });
});
