/* footprintSingle says whether the kernel maps the binary's pages one by one; footprintDrop is Drop. */
int footprintSingle(void);
void footprintDrop(void);
