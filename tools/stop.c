#include "tools/stop.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "cache/interrupt.h"

static atomic_bool stopped;
static volatile sig_atomic_t number;

static void on_signal(int signal_number)
{
	number = signal_number;
	atomic_store(&stopped, true);
}

void stop_catch(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND}, old;

	interrupt_all(&stopped);
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		/* What nohup(1) had ignored stays ignored. */
		if (!sigaction(signals[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

const atomic_bool *stop_flag(void)
{
	return &stopped;
}

int stop_status(void)
{
	return 128 + number;
}

int stop_finish(int status)
{
	if (!atomic_load(&stopped))
		return status;
	fflush(stdout);
	signal(number, SIG_DFL);
	raise(number);
	return 128 + number;
}
