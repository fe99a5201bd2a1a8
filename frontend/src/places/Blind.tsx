export const Blind = () => <p>Blind</p>;
