"""A Nova scheduler filter that keeps live migrations of VFIO devices from hosts that would refuse them.

It asks migration-preflight once for all hosts (POST /v1/placements). Requests that are no live migration, and VMs without
VFIO devices, are let pass unasked; so is everything while the service does not answer, which is logged. To use it, put this
file where nova-scheduler finds modules, and into its nova.conf:

    [filter_scheduler]
    available_filters = nova.scheduler.filters.all_filters
    available_filters = preflight_filter.PreflightFilter
    enabled_filters = …,PciPassthroughFilter,PreflightFilter

    [preflight]
    url = http://127.0.0.1:8080
    host_facts = /etc/nova/preflight

host_facts is a directory with what `host-facts` printed on each compute host, as HOST.json. There devices are called by the
alias of [pci]alias, and "vgpu": `host-facts --open vf=0000:3b:00.1`. What no file says is unknown to the service, and
with the default of `refuse` an unknown verdict refuses no host. Last in enabled_filters it is asked about fewest hosts.
"""

import collections
import json
import os
import urllib.error
import urllib.request

from oslo_config import cfg
from oslo_log import log as logging

import nova.conf
from nova import context as nova_context
from nova import objects
from nova.compute import task_states
from nova.scheduler import filters

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF
CONF.register_opts(
    [
        cfg.StrOpt("url", default="http://127.0.0.1:8080", help="Where migration-preflight answers."),
        cfg.FloatOpt("timeout", default=5.0, help="Seconds to wait for its answer."),
        cfg.StrOpt("host_facts", default="/etc/nova/preflight", help="Directory of HOST.json files from host-facts."),
        cfg.ListOpt("refuse", default=["blocked", "unsafe"], help="Verdicts that refuse a host."),
    ],
    group="preflight",
)

# Hosts that one request to the service may name.
CANDIDATES_MAX = 1000
# VMs whose answers are kept: the conductor asks the scheduler again when a host turns the VM down.
VMS_KEPT = 64


class PreflightFilter(filters.BaseHostFilter):
    """Passes hosts to which the VM can be migrated live."""

    RUN_ON_REBUILD = False
    run_filter_once_per_request = True

    def __init__(self):
        super().__init__()
        # Answers by VM and then by host, as they were asked about: other facts are another question.
        self._answers = collections.OrderedDict()

    def filter_all(self, filter_obj_list, spec_obj):
        hosts = list(filter_obj_list)
        try:
            question = _question_of(spec_obj) if hosts else None
            if question is None:
                return hosts
            facts = [_facts_of(each.host, each.hypervisor_version, question) for each in hosts]
            answers = self._answers_for(question, facts)
        except (OSError, ValueError, KeyError) as error:
            LOG.warning("migration-preflight did not answer, all hosts pass: %s", error)
            return hosts
        return [each for each, answer in zip(hosts, answers) if _passes(each.host, answer, spec_obj)]

    def _answers_for(self, question, facts):
        """The answer about each host, asking only about those of which there is none yet."""
        known = self._answers.setdefault(_key(question), {})
        self._answers.move_to_end(_key(question))
        while len(self._answers) > VMS_KEPT:
            self._answers.popitem(last=False)
        missing = list({_key(each): each for each in facts if _key(each) not in known}.values())
        for start in range(0, len(missing), CANDIDATES_MAX):
            asked = missing[start : start + CANDIDATES_MAX]
            known.update(zip(map(_key, asked), _ask(question, asked)))
        return [known[_key(each)] for each in facts]


def _key(value):
    return json.dumps(value, sort_keys=True)


def _question_of(spec):
    """The VM and its source as the service asks for them; None for what is not judged."""
    # Every move leaves out the host that the VM is on; only its task tells which kind of move it is.
    devices = _devices_of(spec)
    if not spec.ignore_hosts or not devices:
        return None
    admin = nova_context.get_admin_context()
    mapping = objects.InstanceMapping.get_by_instance_uuid(admin, spec.instance_uuid)
    if mapping.cell_mapping is None:
        return None
    with nova_context.target_cell(admin, mapping.cell_mapping) as cell:
        instance = objects.Instance.get_by_uuid(cell, spec.instance_uuid, expected_attrs=["system_metadata"])
        if instance.task_state != task_states.MIGRATING:
            return None
        node = objects.ComputeNode.get_by_host_and_nodename(cell, instance.host, instance.node)
    machine = instance.system_metadata.get("image_hw_machine_type")
    vm = {"memory": f"{spec.flavor.memory_mb}MiB", "vfio": devices}
    if machine:
        vm["machine"] = machine
    viommu = _viommu_of(spec, machine or "")
    if viommu:
        vm["viommu"] = viommu
        vm["kernelIrqchip"] = "split"
    question = {"state": "running", "vm": vm}
    question["source"] = _facts_of(instance.host, node.hypervisor_version, question)
    return question


def _devices_of(spec):
    """VFIO devices, each called by what its facts go by, and a number."""
    devices = []
    requests = spec.pci_requests.requests if spec.pci_requests else []
    for request in requests:
        for _ in range(request.count):
            device = {"id": f"{request.alias_name or 'port'}:{len(devices)}"}
            if not request.alias_name:
                # A port's device is unplugged before the migration, and plugged in again after it.
                device["unpluggedForMigration"] = True
            devices.append(device)
    for _ in range(int(spec.flavor.extra_specs.get("resources:VGPU", 0))):
        devices.append({"id": f"vgpu:{len(devices)}", "type": "mdev"})
    return devices


def _viommu_of(spec, machine):
    """The vIOMMU as Nova's libvirt driver makes it (libvirt 8.3 or later, for "auto")."""
    properties = spec.image.properties if spec.image else {}
    model = spec.flavor.extra_specs.get("hw:viommu_model") or properties.get("hw_viommu_model")
    if not model:
        return None
    viommu = {"model": "virtio" if model == "auto" else model}
    if viommu["model"] == "intel":
        viommu.update(addressWidth=48, cachingMode=True, deviceIotlb=True, intremap=True, eim="q35" in machine)
    return viommu


def _facts_of(host, qemu, question):
    """What is known of a host: its file, with its devices called as the VM's are, and the version that Nova knows."""
    facts = {}
    path = os.path.join(CONF.preflight.host_facts, f"{host}.json")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            facts = json.load(file)
    if qemu:
        facts["qemu"] = qemu
    kinds = facts.pop("devices", {})
    devices = {each["id"]: kinds.get(each["id"].rsplit(":", 1)[0]) for each in question["vm"]["vfio"]}
    facts["devices"] = {name: known for name, known in devices.items() if known}
    return facts


def _ask(question, facts):
    """What the service says of each host: its verdict, and why."""
    body = {**question, "candidates": [{"host": each} for each in facts]}
    request = urllib.request.Request(
        f"{CONF.preflight.url}/v1/placements",
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json", "accept": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=CONF.preflight.timeout) as response:
            placed = json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            raise OSError(f"{error}: {error.read().decode(errors='replace')}") from error
    answers = {}
    for group in placed["groups"]:
        for candidate in group["candidates"]:
            answers[candidate["index"]] = (group["verdict"], group["summary"])
    for candidate in placed["invalid"]:
        answers[candidate["index"]] = ("unknown", f"its facts are not valid: {candidate['errors']}")
    return [answers[index] for index in range(len(facts))]


def _passes(host, answer, spec):
    """Whether `answer` lets the VM go to `host`; the log has the reason, which Nova has no place for."""
    verdict, summary = answer
    if verdict not in CONF.preflight.refuse:
        return True
    LOG.info("Live migration of %s to %s is %s: %s", spec.instance_uuid, host, verdict, summary)
    return False
