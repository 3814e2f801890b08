/*
 * The commands, each in tools/cmd_NAME.c; the table is in tools/main.c.
 */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

#include "tools/command.h"

extern const struct command command_archive;
extern const struct command command_attach;
extern const struct command command_bundle;
extern const struct command command_cache;
extern const struct command command_cat;
extern const struct command command_checkout;
extern const struct command command_config;
extern const struct command command_detach;
extern const struct command command_diff;
extern const struct command command_diff_driver;
extern const struct command command_du;
extern const struct command command_export;
extern const struct command command_fetch;
extern const struct command command_gc;
extern const struct command command_help;
extern const struct command command_init;
extern const struct command command_install;
extern const struct command command_log;
extern const struct command command_ls;
extern const struct command command_merge_driver;
extern const struct command command_mirror;
extern const struct command command_mount;
extern const struct command command_mounts;
extern const struct command command_pin;
extern const struct command command_prefetch;
extern const struct command command_push;
extern const struct command command_remote;
extern const struct command command_run_attached;
extern const struct command command_serve;
extern const struct command command_snapshot;
extern const struct command command_status;
extern const struct command command_top;
extern const struct command command_umount;
extern const struct command command_unbundle;
extern const struct command command_uninstall;
extern const struct command command_unpin;
extern const struct command command_verify;
extern const struct command command_version;

/* What runs when the program is called mount.revfs (arguments and exit codes of mount(8)); not listed. */
extern const struct command command_mount_helper;

#endif
