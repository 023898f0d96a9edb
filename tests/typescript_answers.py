"""Answers with TypeScript, good and bad, and the reasons that the bad ones must be given."""

INIT = "init(scenario: Scenario): this { this.model = scenario.model; return this; }"
SUB = "class Foo extends Base"
MADE = "constructor() {}"


def ts(code: str, tag: str = "typescript") -> str:
    """An answer with the code in a fence."""
    return f"Here it is:\n\n```{tag}\n{code}\n```\nIt follows the pattern."


def cls(body: str, head: str = "class Foo", init: str = INIT) -> str:
    """A class with state, this body, this init() and a method."""
    return (
        f"{head} {{\n  private model = {{}};\n  {body}\n  {init}\n  run(): void {{ this.model = {{}}; }}\n}}"
    )


def init(code: str) -> str:
    """A class that is good but for its init()."""
    return cls(MADE, init=code)


GOOD = cls(MADE)
PASSING = {
    "empty": GOOD,
    "implicit": cls(""),
    "comment only": cls("constructor() { // everything happens in init()\n /* nothing */ }"),
    "only semicolons": cls("constructor() { ; }"),
    "only super": cls("constructor() { super(); }", SUB),
    "super with a literal": cls("constructor() { super('foo', 1); }", SUB),
    "super with functions": cls("constructor() { super(() => run(), { a() { run(); } }); }", SUB),
    "super with comments": cls("constructor() { /* 1 */ super(/* none */); // done\n }", SUB),
    "optional parameter that does nothing": cls("constructor(_unused?: string) {}"),
    "rest parameter that does nothing": cls("constructor(..._unused: string[]) {}"),
    "overload without arguments": cls("constructor();\n constructor(a: A);\n constructor(a?: any) {}"),
    "private constructor": cls("private constructor() {}"),
    "computed name is no constructor": cls("['constructor'](a: string) { run(); }"),
    "static namesake is no constructor": cls("static constructor(a: string) { run(); }"),
    "generic": cls(MADE, "export class Foo<T extends Record<string, { a: 1 }>, U = {}>"),
    "abstract": cls("constructor() {}\n abstract shape(): string;", "export abstract class Foo"),
    "decorated": cls(MADE, "@Component({ selector: 'foo' })\nexport class Foo"),
    "default export": cls(MADE, "export default class Foo"),
    "class expression": f"export const Foo = {cls(MADE, 'class')};",
    "inside a namespace": f"namespace App {{ export {GOOD} }}",
    "words in strings and comments": cls(
        "constructor() {}\n text = 'constructor(a) { this.a = a; }';\n"
        " // class Bar { constructor(private x: T) {} }\n"
        " other = `class Baz { constructor(a) { run(); } }`;"
    ),
    "braces in literals": cls("constructor() {}\n brace = /[}{]/; t = `${{ a: '}' }.a}`;"),
    "async init": init("async init(s: S): Promise<this> { await this.load(s); return this; }"),
    "init overloads": init(f"init(a: A): this;\n init(b: B): this;\n {INIT}"),
    "init as an arrow property": init("init = (s: S): this => { this.model = s; return this; };"),
    "init in one expression": init("init(s: S): this { return Object.assign(this, s.model); }"),
    "new syntax": cls("#a = 1; static { Foo.b(); } get c() { return this.#a!; } d = {} satisfies D;"),
    "types and enums": f"import type {{ S }} from './S.js';\nexport enum E {{ A = 1 }}\nx = <A>y;\n{GOOD}",
    "interface that can be called": f"interface I {{ new (a: string): Foo; init(): void }}\n{GOOD}",
    "data class without methods": f"class Bar {{ a = ''; b = 0; }}\n{GOOD}",
    "static functions only": f"class Bar {{ static main(): void {{ new Foo().init(x); }} }}\n{GOOD}",
    "ambient class": f"declare class Bar {{ constructor(a: string); }}\n{GOOD}",
    "own exception": f"class E extends Error {{ constructor(m: A) {{ super(m); this.a = 1; }} }}\n{GOOD}",
    "inherited init": f"{cls('', 'class Base')}\nclass Foo extends Base {{ go(): void {{ this.run(); }} }}",
    "abstract init": f"abstract class Base {{ abstract init(s: S): this; go() {{}} }}\n{cls('', SUB)}",
    "JSX": cls('constructor() {}\n view() { return <div className="a">{this.model}</div>; }'),
}
FAILING: dict[str, tuple[str, ...]] = {
    "constructor has statements": (
        cls("constructor() { this.load(); }"),
        cls("constructor() { this.init({}); }"),
        cls("constructor() { this.model = {}; }"),
        cls("constructor() { super(); run(); }", SUB),
        cls("constructor() { run(super()); }", SUB),
        cls("constructor() { super.run(); }", SUB),
        cls("constructor() { return; }"),
        cls("'constructor'() { run(); }"),
        f"{GOOD}\n{cls('constructor() { run(); }', 'class Bar')}",
    ),
    "constructor has parameter properties": (
        cls("constructor(private x: T) {}"),
        cls("constructor(readonly x: T) {}"),
        cls("constructor(public x?: T) {}"),
        cls("constructor(@Inject() private x: T) {}"),
        f"class Bar {{ constructor(public a: A) {{}} }}\n{GOOD}",
        cls("constructor() {}\n make() { return class { constructor(private b: B) {} }; }"),
    ),
    "constructor needs arguments": (
        cls("constructor(a: string) {}"),
        cls("constructor(a: string) { super(a); }", SUB),
        cls("constructor(a: string);\n constructor(a?: any) {}"),
    ),
    "constructor computes an argument or default": (
        cls("constructor(a = load()) {}"),
        cls("constructor() { super(new Db()); }", SUB),
    ),
    "several classes of one name": (f"{GOOD}\nexport {GOOD}",),
    "no super() in a derived class": (cls(MADE, SUB),),
    "super() without a base class": (cls("constructor() { super(); }"),),
    "several constructors": (cls("constructor() {}\n constructor(a?: A) {}"),),
    "constructor without a body": (cls("constructor();"),),
    "no init()": (
        init(""),
        init("initialize(s: S) { this.model = s; }"),
        init(f"// {INIT}"),
        f"{GOOD}\nclass Bar {{ go(): void {{ run(); }} }}",
        "class Foo { a = 1; }",
        "class Foo extends Error {}",
        cls("", SUB, init=""),
    ),
    "init() has no statements": (init("init(s: S): void { /* later */ }"),),
    "init() sets nothing up": (
        init("init(s: S): this { return this; }"),
        init("init(): never { throw new Error('todo'); }"),
        init("init = (s: S) => this;"),
    ),
    "init() is static, private or an accessor": (
        init(f"static {INIT}"),
        init(f"private {INIT}"),
        init(f"#{INIT}"),
        init("get init() { return this.load(); }"),
    ),
    "several init()": (init(f"{INIT}\n {INIT}"),),
    "init() without a body": (init("init(s: S): this;"), init("init = load;")),
    "init() is only abstract": (cls("", "abstract class Foo", init="abstract init(s: S): this;"),),
    "no class of the asked name": (
        cls(MADE, "class Fooo"),
        f"interface Foo {{ init(): this }}\n{cls('', 'class Bar')}",
    ),
    "no class": (
        "declare class Foo { init(): this; }",
        "export function init(s: S) { return s; }",
        "class Foo:\n    def init(self):\n        self.a = {}",
    ),
    "cannot parse": (
        GOOD[: len(GOOD) // 2],
        GOOD[:-1],
        cls("constructor() {}\n ..."),
        f"<<<<<<< HEAD\n{GOOD}\n=======\n{GOOD}\n>>>>>>> b",
        "public class Foo { private int a; public Foo() {} public void init() { a = 1; } }",
        "export default class extends Base {",
    ),
}
LAYOUTS = {
    "two namespaces": ts(f"namespace A {{ export {GOOD} }}\nnamespace B {{ export {GOOD} }}"),
    "no fences, old class before the new one": f"{cls('constructor() { run(); }')}\nAfter:\n{GOOD}",
    "no tag": ts(GOOD, ""),
    "another tag": ts(GOOD, "java"),
    "tag with a title": ts(GOOD, 'ts title="Foo.ts"'),
    "tildes": f"~~~ts\n{GOOD}\n~~~",
    "Windows line ends": ts(GOOD).replace("\n", "\r\n"),
    "in a list": "1. First:\n\n   ```ts\n   " + GOOD.replace("\n", "\n   ") + "\n   ```\n2. Done.",
    "in a quote": "> ```ts\n> " + GOOD.replace("\n", "\n> ") + "\n> ```",
    "unclosed fence": f"```ts\n{GOOD}\n",
    "unclosed fence with prose": f"```ts\n{GOOD}\n\nThis class has an init() that doesn't fail.",
    "no fence": f"Sure! A class {{ like this }} does it.\n\nexport {GOOD}\n\nIt's done: {{ x }}.",
    "no fence, no indentation": "\n".join(line.strip() for line in GOOD.split("\n")) + "\nThat's it.",
    "no fence, one line": f"class Foo {{ constructor() {{}} {INIT} }}",
    "no fence, constant": f"Use this:\nexport const Foo = {cls(MADE, 'class')};\nDone.",
    "wrapped as a document": f"````markdown\n# Foo\n\n```ts\n{GOOD}\n```\n````",
    "old class before the new one": f"{ts(cls('constructor(a: A) { this.a = a; }'))}\nAfter:\n{ts(GOOD)}",
    "usage with a gap": f"{ts(GOOD)}\n{ts('const foo = new Foo().init({ ... });')}",
    "shell and JSON beside it": f'{ts(GOOD)}\n```sh\nnpm run class {{\n```\n```json\n{{ "class": 1, }}\n```',
    "Python beside it": f"{ts(GOOD)}\n```python\nclass Bar(Base):\n    a = {{}}\n```",
}
