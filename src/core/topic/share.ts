/**
 * One share: the members among whom each message goes to one (MQTT 5.0 §4.8.2).
 *
 * Round robin, members without a connection included, as mosquitto does: what falls to them waits
 * in their session.
 */

export class Share<Member> {
  readonly name: string;
  private readonly members: Member[] = [];
  private next = 0;

  constructor(name: string) {
    this.name = name;
  }

  get size(): number {
    return this.members.length;
  }

  /** Whose turn it is; undefined when there are no members. */
  take(): Member | undefined {
    if (this.members.length === 0) return undefined;
    if (this.next >= this.members.length) this.next = 0;
    return this.members[this.next++];
  }

  /** Adds a member, or puts `member` in the place of `previous`. */
  put(member: Member, previous: Member | undefined): void {
    const place = previous === undefined ? -1 : this.members.indexOf(previous);
    if (place < 0) this.members.push(member);
    else this.members[place] = member;
  }

  remove(member: Member): void {
    const place = this.members.indexOf(member);
    if (place < 0) return;
    this.members.splice(place, 1);
    if (place < this.next) this.next--;
  }

  values(): readonly Member[] {
    return this.members;
  }
}
