"""The Nova filter as nova-scheduler calls it, on stubs of what it takes from Nova, against the service at PREFLIGHT."""

import contextlib
import json
import os
import sys
import tempfile
import types
import unittest
import urllib.request
from unittest import mock


class Conf(types.SimpleNamespace):
    """CONF, as far as registering options goes."""

    def register_opts(self, options, group):
        setattr(self, group, types.SimpleNamespace(**{name: default for name, default in options}))


class BaseHostFilter:
    """nova.scheduler.filters.BaseHostFilter, as far as it has anything of its own."""

    RUN_ON_REBUILD = False
    run_filter_once_per_request = False


def option(name, default, help):
    return name, default


class Objects:
    """The instance, its cell and its node, as the scheduler finds them."""

    cell = "cell1"
    instance = types.SimpleNamespace(
        host="node0", node="node0", task_state="migrating", system_metadata={"image_hw_machine_type": "pc-q35-10.2"}
    )
    read = 0

    def __init__(self):
        self.InstanceMapping = types.SimpleNamespace(get_by_instance_uuid=self.mapping)
        self.Instance = types.SimpleNamespace(get_by_uuid=self.get_instance)
        self.ComputeNode = types.SimpleNamespace(
            get_by_host_and_nodename=lambda *_: types.SimpleNamespace(hypervisor_version=10002002)
        )

    def mapping(self, _context, _uuid):
        return types.SimpleNamespace(cell_mapping=self.cell)

    def get_instance(self, context, _uuid, expected_attrs):
        assert (context, expected_attrs) == (self.cell, ["system_metadata"])
        self.read += 1
        return self.instance


@contextlib.contextmanager
def target_cell(_context, cell):
    yield cell


def module(name, **members):
    made = types.ModuleType(name)
    made.__dict__.update(members)
    sys.modules[name] = made
    return made


objects = Objects()
log = mock.Mock()
module("oslo_config", cfg=types.SimpleNamespace(StrOpt=option, FloatOpt=option, ListOpt=option))
module("oslo_log", log=types.SimpleNamespace(getLogger=lambda _: log))
nova = module("nova", objects=objects)
nova.conf = module("nova.conf", CONF=Conf())
nova.context = module("nova.context", get_admin_context=lambda: "admin", target_cell=target_cell)
module("nova.compute", task_states=types.SimpleNamespace(MIGRATING="migrating"))
module("nova.scheduler", filters=types.SimpleNamespace(BaseHostFilter=BaseHostFilter))

sys.path.insert(0, "deploy/recipes/nova-filter")
sys.dont_write_bytecode = True
import preflight_filter  # noqa: E402

VF = {"driver": "mlx5_vfio_pci", "stopCopy": True, "p2p": True, "preCopy": True}
KNOWN = {"kernel": "6.12", "iommu": {"vendor": "intel", "dirtyTracking": False, "addressWidth": 48}}
FACTS = {
    "node0": {**KNOWN, "devices": {"vf": VF}},
    "node1": {**KNOWN, "devices": {"vf": VF, "gpu": {"driver": "vfio-pci"}}},
    "node2": {**KNOWN, "devices": {"vf": {"driver": "vfio-pci"}}},
}


def request(alias="vf", count=1, extra_specs=None, ignore_hosts=("node0",)):
    """A RequestSpec, as the conductor makes it for a live migration from node0."""
    pci = types.SimpleNamespace(requests=[types.SimpleNamespace(alias_name=alias, count=count)] if count else [])
    return types.SimpleNamespace(
        instance_uuid="uuid",
        ignore_hosts=list(ignore_hosts),
        pci_requests=pci,
        flavor=types.SimpleNamespace(memory_mb=4096, extra_specs=extra_specs or {}),
        image=types.SimpleNamespace(properties={}),
    )


def host(name, version=10002002):
    return types.SimpleNamespace(host=name, hypervisor_version=version)


class Filter(unittest.TestCase):
    def setUp(self):
        directory = self.enterContext(tempfile.TemporaryDirectory())
        self.conf = preflight_filter.CONF.preflight
        self.conf.url = os.environ["PREFLIGHT"]
        self.conf.host_facts = directory
        for name, facts in FACTS.items():
            self.write(name, facts)
        self.conf.refuse = ["blocked", "unsafe"]
        objects.instance.task_state = "migrating"
        objects.cell = "cell1"
        log.reset_mock()
        self.filter = preflight_filter.PreflightFilter()
        self.asked = []
        urlopen = urllib.request.urlopen

        def counted(sent, timeout):
            self.asked.append(json.loads(sent.data))
            return urlopen(sent, timeout=timeout)

        self.enterContext(mock.patch.object(urllib.request, "urlopen", counted))

    def passing(self, hosts, spec):
        return [each.host for each in self.filter.filter_all(iter(hosts), spec)]

    def test_hosts_that_would_refuse(self):
        hosts = [host("node1"), host("node2"), host("node3")]
        self.assertEqual(self.passing(hosts, request()), ["node1", "node3"])
        self.assertEqual(len(self.asked), 1, "all hosts in one request")
        log.info.assert_called_once()
        said = log.info.call_args.args[0] % log.info.call_args.args[1:]
        self.assertIn("Live migration of uuid to node2 is blocked: QEMU refuses: The VFIO driver has no migration", said)

    def test_what_the_service_is_told(self):
        self.passing([host("node1")], request(extra_specs={"hw:viommu_model": "intel", "resources:VGPU": "1"}))
        (body,) = self.asked
        self.assertEqual(
            body,
            {
                "state": "running",
                "vm": {
                    "memory": "4096MiB",
                    "machine": "pc-q35-10.2",
                    "vfio": [{"id": "vf:0"}, {"id": "vgpu:1", "type": "mdev"}],
                    "viommu": {
                        "model": "intel",
                        "addressWidth": 48,
                        "cachingMode": True,
                        "deviceIotlb": True,
                        "intremap": True,
                        "eim": True,
                    },
                    "kernelIrqchip": "split",
                },
                "source": {**KNOWN, "qemu": 10002002, "devices": {"vf:0": VF}},
                "candidates": [{"host": {**KNOWN, "qemu": 10002002, "devices": {"vf:0": VF}}}],
            },
        )

    def test_unknown_can_be_refused(self):
        self.conf.refuse = ["blocked", "unsafe", "unknown"]
        self.assertEqual(self.passing([host("node1"), host("node3")], request()), ["node1"])

    def test_a_blocked_source_refuses_all(self):
        hosts = [host("node1"), host("node2")]
        self.assertEqual(self.passing(hosts, request(extra_specs={"hw:viommu_model": "intel"})), [])

    def test_asks_once(self):
        self.passing([host("node1"), host("node2")], request())
        self.assertEqual(self.passing([host("node2")], request(ignore_hosts=["node0", "node1"])), [])
        self.assertEqual(len(self.asked), 1, "a retry asks nothing new")
        self.passing([host("node2", version=11001003)], request())
        self.assertEqual(len(self.asked[1]["candidates"]), 1, "a host with another QEMU is another one")
        self.passing([host("node1"), host("node2")], request(count=2))
        self.assertEqual(len(self.asked), 3, "another VM is another question")

    def test_asks_of_equal_hosts_once_and_in_parts(self):
        with mock.patch.object(preflight_filter, "CANDIDATES_MAX", 2):
            versions = [10002002, 11001003, 9002000, 10002002, 8002000]
            hosts = [host(f"other{index}", version) for index, version in enumerate(versions)]
            self.assertEqual(len(self.passing(hosts, request())), 5)
        self.assertEqual([len(each["candidates"]) for each in self.asked], [2, 2])

    def test_forgets_the_oldest(self):
        with mock.patch.object(preflight_filter, "VMS_KEPT", 1):
            for count in (1, 2, 1):
                self.passing([host("node1")], request(count=count))
        self.assertEqual(len(self.asked), 3)

    def test_a_port_is_unplugged_for_the_migration(self):
        self.assertEqual(self.passing([host("node2")], request(alias=None)), ["node2"])
        self.assertEqual(self.asked[0]["vm"]["vfio"], [{"id": "port:0", "unpluggedForMigration": True}])

    def test_not_asked_about_what_is_no_live_migration(self):
        hosts = [host("node1"), host("node2")]
        for name, spec in {
            "a new VM": request(ignore_hosts=[]),
            "a VM without VFIO devices": request(count=0),
        }.items():
            with self.subTest(name):
                self.assertEqual(self.passing(hosts, spec), ["node1", "node2"])
        objects.instance.task_state = "resize_prep"
        self.assertEqual(self.passing(hosts, request()), ["node1", "node2"])
        objects.cell = None
        self.assertEqual(self.passing(hosts, request()), ["node1", "node2"])
        self.assertEqual(self.passing([], request()), [])
        self.assertEqual(self.asked, [])

    def test_all_pass_while_the_service_does_not_answer(self):
        for name, url in {"nothing there": "http://127.0.0.1:9", "an error": f"{self.conf.url}/nowhere"}.items():
            with self.subTest(name):
                self.conf.url = url
                self.assertEqual(self.passing([host("node2")], request()), ["node2"])
                log.warning.assert_called_once()
                log.reset_mock()

    def test_all_pass_where_facts_cannot_be_read(self):
        with open(os.path.join(self.conf.host_facts, "node0.json"), "w", encoding="utf-8") as file:
            file.write("{")
        self.assertEqual(self.passing([host("node2")], request()), ["node2"])
        log.warning.assert_called_once()

    def test_a_host_whose_facts_are_impossible_is_unknown(self):
        self.write("node2", {"memory": "99EiB"})
        self.conf.refuse = ["unknown"]
        self.assertEqual(self.passing([host("node1"), host("node2")], request()), ["node1"])
        self.assertIn("/candidates/1/host/memory", str(log.info.call_args))

    def test_what_the_service_says_is_wrong_is_logged(self):
        self.write("node2", {"memroy": "4GiB"})
        self.assertEqual(self.passing([host("node2")], request()), ["node2"])
        self.assertIn("HTTP Error 400", str(log.warning.call_args))
        self.assertIn("memroy", str(log.warning.call_args))

    def write(self, name, facts):
        with open(os.path.join(self.conf.host_facts, f"{name}.json"), "w", encoding="utf-8") as file:
            json.dump(facts, file)


if __name__ == "__main__":
    unittest.main()
