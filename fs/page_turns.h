/*
 * Where the chunks that a page names go on in another pack, for who reads them in order.
 */
#ifndef FS_PAGE_TURNS_H
#define FS_PAGE_TURNS_H

#include "fs/page.h"

/* Pages that name chunks in more packs than that are read in pieces anyway: nothing is told of them. */
#define PAGE_TURNS_PACKS_MAX 16

/* Call EACH for every pack but the last in which the chunks of PAGE lie: LAST is the last of them there, NEXT the one
 * behind it, in a pack that was not met before. */
void page_each_turn(const struct page *page,
                    void (*each)(void *arg, const struct locator *last, const struct locator *next), void *arg);

/* The first and the last chunk of a leaf PAGE of which it is known where they lie.  False where there is none. */
bool page_ends(const struct page *page, struct locator *first, struct locator *last);

#endif
