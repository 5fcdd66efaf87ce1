"""Reads the recovery area as supervisord/wire/recovery.h describes it: records as they are
committed, exact to the microsecond, where the status shows rounded spans."""

import ctypes
import os

from harness import service, sh, wait_until

u8, u16, u32, u64 = ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64
i16, i32 = ctypes.c_int16, ctypes.c_int32
MAGIC, VERSION = 0x796576636572, 4


class Layout(ctypes.Structure):
    _fields_ = [(name, u32) for name in (
        "head_size", "record_size", "counters_size", "intent_offset", "intent_size",
        "journal_offset", "slots_offset", "slot_size", "counters_offset", "reserved")]


class Head(ctypes.Structure):
    _fields_ = [("magic", u64), ("version", u32), ("capacity", u32), ("layout", Layout),
                ("boot_id", u8 * 16), ("flags", u32), ("launcher_pid", i32),
                ("started_realtime_usec", u64), ("queue_id", i32), ("queue_key", u32),
                ("queue_seq", u64), ("journal_slot", u32), ("journal_size", u32),
                ("journal_valid", u32), ("config", u32), ("config_op", u64 * 8),
                ("exit_status", i32), ("config_flags", u8 * 8), ("reserved", u32),
                ("event_seq", u64)]


class Exit(ctypes.Structure):
    _fields_ = [("realtime_msec", u64), ("ran_msec", u32), ("end", u8), ("stage", u8),
                ("status", i16)]


class Record(ctypes.Structure):
    """Only grows at its end, so what is named here stays where it is."""
    _fields_ = (
        [("name", ctypes.c_char * 72)]
        + [(name, u8) for name in (
            "state", "why", "then", "end", "stage", "desired_up", "killed", "main_ended", "signo",
            "n_starts", "publish_pending", "publish_previous", "cgroup_spent", "config",
            "user_signo")]
        + [("pid", i32), ("end_status", i32), ("restarts", u32), ("streak", u32),
           ("signal_op", u32), ("main_pid", i32), ("generation", u64), ("start_order", u64),
           ("ready_order", u64), ("ops", u64 * 16)]
        + [(name, u64) for name in (
            "since_usec", "started_usec", "ended_usec", "deadline_usec", "since_realtime_usec",
            "started_realtime_usec", "last_serial", "publish_seq", "cgroup_generation",
            "pidfd_inode")]
        + [("invocation", u8 * 16), ("starts_msec", u32 * 32), ("exits", Exit * 4)]
        + [(name, u8) for name in ("phase", "cause", "last_cause", "health", "early", "queued",
                                   "automatic")]
        + [("n_unhealthy", u16), ("blocker", u32), ("due_usec", u64), ("schedule_last_usec", u64),
           ("schedule_next_usec", u64), ("roll_op", u64), ("roll_place", u32), ("reserved", u32),
           ("op_generations", u8 * 16)])


# What another service's fate, or an engine's death, must not change.
LASTING = ("state", "why", "then", "end", "stage", "desired_up", "killed", "main_ended", "n_starts",
           "pid", "end_status", "restarts", "streak", "main_pid", "generation", "start_order",
           "since_usec", "started_usec", "ended_usec", "deadline_usec", "since_realtime_usec",
           "started_realtime_usec", "last_serial", "pidfd_inode", "invocation", "starts_msec",
           "exits", "phase", "cause", "health", "due_usec", "schedule_last_usec",
           "schedule_next_usec", "ops")


def plain(value):
    """A ctypes value as something that compares and prints."""
    if isinstance(value, ctypes.Array):
        return [plain(v) for v in value] if not isinstance(value, bytes) else value
    if isinstance(value, ctypes.Structure):
        return tuple(plain(getattr(value, name)) for name, _ in value._fields_)
    return value


# What beside states and counters has to last: the next run of a schedule, a stop and its timeout.
UNDER_WAY = (service("cron", sh("exit 0"), 'type = "oneshot"', 'schedule { every = "1h" }')
             + service("stubborn", sh("trap '' TERM; echo ready; while :; do sleep 0.1; done"),
                       "stop { timeout = 1h }"))


def begin_under_way(s):
    """Waits for them, and begins the stop."""
    s.wait_state("cron", "waiting")
    s.wait_log("stubborn", "ready")
    s.ok("stop", "--no-wait", "stubborn")
    s.wait_state("stubborn", "stopping")


def end_under_way(s):
    """Otherwise it would take the hour."""
    pid = s.status("stubborn")["pid"]
    s.ok("signal", "KILL", "stubborn")
    row = s.wait_state("stubborn", "stopped")
    if row["exit_signal"] != "KILL":
        raise AssertionError(f"{pid} was killed, and that is told as {row}")


def lasting(s):
    """Of every service, once nothing is on its way to the area."""
    wait_until(s.answers, "an engine answers")
    area = Area(s.runtime_dir)
    return {name: area.lasting(name) for name in area.records}


def changed(s, before, but=()):
    """What has not lasted: {service: {field: (before, now)}}."""
    now = lasting(s)
    found = {name: {k: (v, now[name][k]) for k, v in fields.items()
                    if k not in but and now[name][k] != v}
             for name, fields in before.items()}
    return {name: fields for name, fields in found.items() if fields}


class Area:
    """The area of a runtime directory, as it is at this moment."""

    def __init__(self, runtime_dir):
        with open(os.path.join(runtime_dir, "recovery"), "rb") as f:
            self.data = f.read()
        self.head = Head.from_buffer_copy(self.data)
        if self.head.magic != MAGIC or self.head.version != VERSION:
            raise AssertionError("that is no recovery area of this version")
        self.records = {}
        for slot in range(self.head.capacity):
            layout = self.head.layout
            record = Record.from_buffer_copy(
                self.data, layout.slots_offset + slot * layout.slot_size)
            if record.name:
                self.records[record.name.decode()] = record

    def lasting(self, name):
        return {key: plain(getattr(self.records[name], key)) for key in LASTING}
