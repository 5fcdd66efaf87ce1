/* A program that is no engine: it does nothing, for ever. */
#include <unistd.h>

int main(void)
{
	for (;;)
		pause();
}
