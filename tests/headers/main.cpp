// That this links is the test: no header defines a symbol twice.
int main() {}
