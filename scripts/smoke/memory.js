// Uses `MemoryLog` alone, to measure how much of the package a bundler keeps.
import { MemoryLog } from "@wallog/wallog";

console.log(new MemoryLog().lastIndex);
