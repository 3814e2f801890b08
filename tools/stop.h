/*
 * Stopping a command by SIGINT, SIGTERM or SIGHUP: the signal sets a flag, the command cleans up behind itself, and
 * then ends as the signal would have ended it.
 */
#ifndef TOOLS_STOP_H
#define TOOLS_STOP_H

#include <stdatomic.h>

/* From now on the signals set the flag.  A second one ends the process at once. */
void stop_catch(void);

/* True once a signal came.  Static. */
const atomic_bool *stop_flag(void);

/* 128 + the signal's number, without a message: what to return on the way out. */
int stop_status(void);

/* The last act of a command: where a signal came, ends the process by it; else gives STATUS back. */
int stop_finish(int status);

#endif
