/**
 * One share: the members among whom each message goes to one (MQTT 5.0 §4.8.2).
 *
 * Round robin, members without a connection included, as mosquitto does: what falls to them waits
 * in their session. Coming, leaving and a turn cost the same however many there are.
 */

/** Holes there may be besides one for each member. */
const HOLES_MIN = 8;

export class Share<Member> {
  readonly name: string;
  /** In the order they came; who left leaves a hole. */
  private places: (Member | undefined)[] = [];
  private readonly placeOf = new Map<Member, number>();
  private next = 0;

  constructor(name: string) {
    this.name = name;
  }

  get size(): number {
    return this.placeOf.size;
  }

  /** Whose turn it is; undefined when there are no members. */
  take(): Member | undefined {
    if (this.placeOf.size === 0) return undefined;
    for (;;) {
      if (this.next >= this.places.length) this.next = 0;
      const member = this.places[this.next++];
      if (member !== undefined) return member;
    }
  }

  /** Adds a member, or puts `member` in the place of `previous`. */
  put(member: Member, previous: Member | undefined): void {
    const place =
      (previous === undefined ? undefined : this.vacate(previous)) ?? this.places.length;
    this.places[place] = member;
    this.placeOf.set(member, place);
  }

  remove(member: Member): void {
    if (this.vacate(member) === undefined) return;
    if (this.places.length > 2 * this.placeOf.size + HOLES_MIN) this.closeHoles();
  }

  values(): readonly Member[] {
    return this.places.filter((member) => member !== undefined);
  }

  /** @returns The place that the member had. */
  private vacate(member: Member): number | undefined {
    const place = this.placeOf.get(member);
    if (place === undefined) return undefined;
    this.placeOf.delete(member);
    this.places[place] = undefined;
    return place;
  }

  private closeHoles(): void {
    const members: Member[] = [];
    let next = 0;
    this.places.forEach((member, place) => {
      if (place === this.next) next = members.length;
      if (member === undefined) return;
      this.placeOf.set(member, members.length);
      members.push(member);
    });
    // Behind the last: the round begins again.
    this.next = this.next >= this.places.length ? members.length : next;
    this.places = members;
  }
}
