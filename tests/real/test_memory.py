# SPDX-License-Identifier: MIT
#
# test_memory.py - one whole issue with files, a hook and a proof of its renewal, under valgrind:
# nothing is read that was never written, and nothing is lost.

import shutil

import pytest


@pytest.mark.slow
def test_an_issue_and_a_renewal_are_clean_under_valgrind(everleaf, journal, tmp_path, name):
    if not shutil.which("valgrind") or b"__asan_init" in open(everleaf.program, "rb").read():
        pytest.skip("needs valgrind, and a binary without sanitizers")
    words = everleaf.argv("obtain", "-d", name, *everleaf.ca(), *everleaf.standalone(),
                          "--deploy-files", tmp_path / "live", "--deploy-hook",
                          journal.hook("reload"))
    under = ["valgrind", "-q", "--error-exitcode=99", "--leak-check=full",
             "--errors-for-leak-kinds=definite", "--trace-children=no"]
    everleaf.run_argv([*under, *words], timeout=300)
    everleaf.run_argv([*under, *everleaf.argv("renew", "--force", name)], timeout=300)
    everleaf.run_argv([*under, *everleaf.argv("renew", "--dry-run", name)], timeout=300)
    assert journal.ran() == ["reload", "reload"]
