/*
 * cut N COMMAND...: run COMMAND and kill it before the Nth system call by which it changes a file system, syncs or mounts one.
 *
 * Exits with COMMAND's status; 137 where it was killed.  Its threads are counted together, its children not at all.
 * `cut 0 COMMAND...` kills nothing and prints the number of such calls on stderr.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What PTRACE_GET_SYSCALL_INFO tells at the entry of a call; C libraries do not agree on the name of it. */
struct entry_info {
	uint8_t op;
	_Alignas(4) uint32_t arch;
	uint64_t instruction_pointer, stack_pointer;
	uint64_t number, args[6];
};

static bool is_change(uint64_t number, const uint64_t *args)
{
	switch (number) {
	case SYS_openat:
		return args[2] & (O_CREAT | O_TRUNC);
	case SYS_openat2:
		return false;
	case SYS_write:
	case SYS_writev:
		return args[0] > STDERR_FILENO;
	case SYS_pwrite64:
	case SYS_fsync:
	case SYS_fdatasync:
	case SYS_syncfs:
	case SYS_ftruncate:
	case SYS_fchmod:
	case SYS_fchmodat:
	case SYS_fallocate:
	case SYS_copy_file_range:
	case SYS_linkat:
	case SYS_mkdirat:
	case SYS_mount:
	case SYS_renameat2:
	case SYS_symlinkat:
	case SYS_umount2:
	case SYS_unlinkat:
	case SYS_utimensat:
#ifdef SYS_rename
	case SYS_chmod:
	case SYS_link:
	case SYS_mkdir:
	case SYS_rename:
	case SYS_renameat:
	case SYS_rmdir:
	case SYS_symlink:
	case SYS_unlink:
#endif
		return true;
	default:
		return false;
	}
}

/* Whether the thread THREAD is about to make a change. */
static bool is_at_change(pid_t thread)
{
	struct entry_info info = {0};

	if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(info), &info) <= 0)
		return false;
	return info.op == PTRACE_SYSCALL_INFO_ENTRY && is_change(info.number, info.args);
}

static void die(const char *what)
{
	perror(what);
	exit(125);
}

static pid_t start(char **command)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0) == 0)
			execvp(*command, command);
		die(*command);
	}
	if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
		die(*command);
	if (ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL) < 0 ||
	    ptrace(PTRACE_SYSCALL, pid, 0, 0) < 0)
		die("ptrace");
	return pid;
}

/* The signal that a stopped thread is to get when it goes on: none for stops of ptrace's own. */
static int signal_of(int status)
{
	int number = WSTOPSIG(status);

	return status >> 16 || number == (SIGTRAP | 0x80) || number == SIGSTOP || number == SIGTRAP ? 0 : number;
}

int main(int argc, char **argv)
{
	uint64_t wanted, changes = 0;
	int status;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: cut N COMMAND...\n");
		return 2;
	}
	wanted = strtoull(argv[1], NULL, 10);
	pid = start(argv + 2);
	for (;;) {
		pid_t thread = waitpid(-1, &status, __WALL);

		if (thread < 0)
			die("waitpid");
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (thread == pid)
				break;
			continue;
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80) && is_at_change(thread) && ++changes == wanted)
			kill(pid, SIGKILL);
		/* A thread that is gone by now has nothing to go on with. */
		ptrace(PTRACE_SYSCALL, thread, 0, signal_of(status));
	}
	if (!wanted)
		fprintf(stderr, "%llu\n", (unsigned long long)changes);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
