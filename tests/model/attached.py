#!/usr/bin/env python3
"""Random operations on an attached dataset and on a plain folder beside it, which stay the same.

    attached.py SEED STATES OPERATIONS

To be run in an empty folder, with `revfs` in PATH and the environment of tests/cli/harness.  Each state is snapshotted; between
states the dataset is now and then detached and attached again, or attached again after its overlay and what serves it were
unmounted.  What diff and status say is compared with the snapshot after it, and at the end every revision with the folder.
"""
import os
import subprocess
import sys

import model
from model import Model, compare, describe, run

if os.getuid() != 0:
    # fuse-overlayfs puts ".wh." before a name that was deleted.
    model.NAMES = tuple(name[:251] for name in model.NAMES)

MOUNT = '.git/revfs/attached/mount'
STATUS = b'data: unchanged; attached\n'


class Attached(Model):
    """What an overlay moves is what `mv` does: folders of the base are copied."""

    def move(self, path, to):
        try:
            os.rename(path, to)
        except OSError:
            run(b'mv', b'-T', b'--', path, to)


def unmount():
    if os.getuid() == 0:
        run('umount', 'data')
    else:
        run('fusermount3', '-u', 'data')
    run('revfs', 'umount', MOUNT)


def come_back(random):
    """Whatever happens between two rounds: nothing is lost."""
    chance = random.random()
    if chance < 0.25:
        unmount()
    elif chance < 0.5:
        run('revfs', 'detach')
        if os.path.exists('data'):
            run('revfs', 'checkout')
    else:
        return
    run('revfs', 'attach')


def changes():
    """What status counts, without what is said of mounts."""
    return run('revfs', 'status').stdout.split(b'\n')[0]


def snapshot(random, state):
    options = ('--full',) if random.random() < 0.1 else ()
    before = run('revfs', 'diff', '--name-status', '-z').stdout
    run('revfs', 'snapshot', '--force', '-m', 'state', *options, 'data')
    run('git', 'tag', 's%d' % state)
    if changes() + b'\n' != STATUS:
        sys.exit('state %d: status says %r' % (state, changes()))
    if state:
        after = run('revfs', 'diff', '--name-status', '-z', 's%d' % (state - 1), 's%d' % state).stdout
        if before != after:
            sys.exit('state %d: diff said %r, and then %r' % (state, before, after))


def main():
    seed, states, operations = (int(argument) for argument in sys.argv[1:4])
    print('seed', seed, flush=True)
    run('git', 'init', '-q', '-b', 'main', '.')
    truths = []
    attached, plain = Attached(seed), Model(seed, b'plain')
    for state in range(states):
        for _ in range(operations):
            attached.step()
            plain.step()
        truth = describe(b'plain')
        compare('state %d, as seen' % state, truth, describe(b'data'))
        truths.append(truth)
        if state:
            snapshot(attached.random, state)
            plain.random.random()
        else:
            run('revfs', 'snapshot', '-m', 'state', 'data')
            run('git', 'tag', 's0')
            run('revfs', 'attach')
        if state:
            come_back(attached.random)
            plain.random.random()
        compare('state %d, come back' % state, truth, describe(b'data'))
    for state, truth in enumerate(truths):
        run('revfs', 'export', 's%d:data' % state, 'out')
        compare('state %d, export' % state, truth, describe(b'out'))
        run('rm', '-rf', 'out')
    run('revfs', 'detach')
    print('same: %d states' % states)


if __name__ == '__main__':
    try:
        main()
    except BaseException:
        subprocess.run(['revfs', 'detach', '-f'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        raise
