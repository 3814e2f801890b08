/*
 * Which revfs this is.
 */
#ifndef TOOLS_VERSION_H
#define TOOLS_VERSION_H

#define VERSION "0.1.0"

#endif
