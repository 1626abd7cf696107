// The heights of rows, some of them known and some estimated, as a Fenwick tree: sums, changes and "which row is there?" in log n steps.
export class Heights {
  #sums = new Float64Array(1025); // from 1 on
  #own = new Float64Array(1024);
  count = 0;

  reset(count, heightAt) {
    if (count > this.#own.length) this.#grow(count);
    this.count = count;
    this.#sums.fill(0);
    for (let i = 0; i < count; i++) {
      this.#own[i] = heightAt(i);
      this.#sums[i + 1] += this.#own[i];
      const parent = i + 1 + ((i + 1) & -(i + 1));
      if (parent <= count) this.#sums[parent] += this.#sums[i + 1];
    }
  }

  append(height) {
    if (this.count === this.#own.length) this.#grow(2 * this.count);
    const at = ++this.count;
    this.#own[at - 1] = height;
    this.#sums[at] = height + this.before(at - 1) - this.before(at - (at & -at));
  }

  set(index, height) {
    const change = height - this.#own[index];
    this.#own[index] = height;
    for (let at = index + 1; at <= this.count; at += at & -at) this.#sums[at] += change;
  }

  get(index) {
    return this.#own[index];
  }

  // The sum of all rows before this one.
  before(index) {
    let sum = 0;
    for (let at = index; at > 0; at -= at & -at) sum += this.#sums[at];
    return sum;
  }

  get total() {
    return this.before(this.count);
  }

  // The row at this distance from the top.
  indexAt(distance) {
    let index = 0;
    let step = 2 ** Math.floor(Math.log2(Math.max(1, this.count)));
    for (; step >= 1; step /= 2) {
      if (index + step <= this.count && this.#sums[index + step] <= distance) {
        index += step;
        distance -= this.#sums[index];
      }
    }
    return Math.max(0, Math.min(index, this.count - 1));
  }

  #grow(least) {
    const size = 2 ** Math.ceil(Math.log2(least + 1));
    const [sums, own] = [new Float64Array(size + 1), new Float64Array(size)];
    sums.set(this.#sums);
    own.set(this.#own);
    [this.#sums, this.#own] = [sums, own];
  }
}
