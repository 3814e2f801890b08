#include "cache/header.h"

#include <errno.h>
#include <string.h>

#include "cache/checksum.h"
#include "cache/wire.h"

#define AT_MAJOR 8
#define AT_MINOR 10
#define AT_COUNT 12
#define AT_PACK 16
#define AT_RESERVED 32
#define AT_CHECKSUM 56

void header_encode(const char *magic, const struct header *header, uint8_t out[HEADER_SIZE])
{
	memset(out, 0, HEADER_SIZE);
	memcpy(out, magic, HEADER_MAGIC_SIZE);
	wire_put16(out + AT_MAJOR, HEADER_MAJOR);
	wire_put16(out + AT_MINOR, HEADER_MINOR);
	wire_put32(out + AT_COUNT, header->count);
	memcpy(out + AT_PACK, header->pack.bytes, PACK_ID_SIZE);
	wire_put64(out + AT_CHECKSUM, checksum(out, AT_CHECKSUM));
}

int header_decode(const char *magic, const uint8_t data[HEADER_SIZE], struct header *header)
{
	static const uint8_t zeros[AT_CHECKSUM - AT_RESERVED];
	if (memcmp(data, magic, HEADER_MAGIC_SIZE) != 0 || wire_get16(data + AT_MAJOR) != HEADER_MAJOR)
		return -EBADMSG;
	if (wire_get64(data + AT_CHECKSUM) != checksum(data, AT_CHECKSUM))
		return -EBADMSG;
	if (memcmp(data + AT_RESERVED, zeros, sizeof(zeros)) != 0)
		return -EBADMSG;
	header->count = wire_get32(data + AT_COUNT);
	memcpy(header->pack.bytes, data + AT_PACK, PACK_ID_SIZE);
	return 0;
}
