// What a bundler keeps of the package for `MemoryLog` alone.
import { MemoryLog } from "@wallog/wallog";

console.log(new MemoryLog().lastIndex);
