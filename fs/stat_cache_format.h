/*
 * The bytes of a stat cache (revfs-format(5)), shared by its reader and its writer.
 */
#ifndef FS_STAT_CACHE_FORMAT_H
#define FS_STAT_CACHE_FORMAT_H

#define STAT_CACHE_MAGIC "revfsSTC"
#define STAT_CACHE_MAJOR 1
#define STAT_CACHE_HEADER_SIZE 64
#define STAT_CACHE_BLOCK_HEADER_SIZE 16
#define STAT_CACHE_BLOCK_TARGET 65536 /* a block closes when it has this many bytes */
#define STAT_CACHE_BLOCK_MAX (STAT_CACHE_BLOCK_TARGET + 1024)

/* Tag byte of a line: bits 0 to 2 the kind, 0 for the end of a directory; bit 3 racy; bits 4 and 5 the form. */
#define STAT_CACHE_LEAVE 0u
#define STAT_CACHE_RACY 8u

#endif
